"""Symbolic dimensions: polynomials with floor divisions, in normal form."""
