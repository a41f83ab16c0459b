"""Timings against what a user would write with NumPy: `python -m benchmarks`."""
