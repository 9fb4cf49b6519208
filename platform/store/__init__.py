"""The SQL store: the truth about tasks, runs, sweeps, scores and outcomes."""
