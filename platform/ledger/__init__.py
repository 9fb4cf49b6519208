"""The ledger: who does which task, and what became of it."""
