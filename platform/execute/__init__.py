"""Executors: they take a plan's tasks to artifacts, each in a process of its own."""
