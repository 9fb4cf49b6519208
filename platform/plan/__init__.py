"""From recipes to tasks: what must be computed, shared wherever two recipes agree."""
