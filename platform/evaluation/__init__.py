"""Evaluation of one checkpoint under one protocol, every item's outcome kept."""
