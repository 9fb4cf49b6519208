"""Benchmarks of lm-evaluation-harness, by davinci's engine or by a server."""
