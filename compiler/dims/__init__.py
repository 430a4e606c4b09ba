"""Symbolic dimensions: polynomials with floor divisions, in a normal form."""
