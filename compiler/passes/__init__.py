"""Passes over graphs and programs: rewrites, checks and lints."""
