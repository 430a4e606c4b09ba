"""Rows of a source that is past the memory it may take: decoded once, piece by piece, into a store in the
cache, and read from there."""
