"""Diagnostics: errors and warnings with spans of the source text, and their rendering."""
