"""Specs in the one layout (`dlc fmt`); the syntax tree and the graph as text."""
