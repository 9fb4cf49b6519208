"""L1: text out of HTML and PDF, in a process of its own where that may go wrong."""
