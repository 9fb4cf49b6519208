"""Training of one segment: a deterministic token order, a Lightning loop, a checkpoint."""
