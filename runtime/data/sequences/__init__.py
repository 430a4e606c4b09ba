"""Rows that are sequences: their arrays, their lengths, and the steps of series in a table."""
