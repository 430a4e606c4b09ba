"""How fast dlc is, next to what it stands in for: `python -m benchmarks`."""
