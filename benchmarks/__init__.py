"""Benchmarks of dlc against handwritten PyTorch and its exporter: `python -m benchmarks`."""
