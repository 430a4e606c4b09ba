"""Errors and warnings as values with places in the source text; drawn in one place."""
