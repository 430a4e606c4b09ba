"""Decoded rows: batches of them, their order in an epoch, and their fingerprint."""
