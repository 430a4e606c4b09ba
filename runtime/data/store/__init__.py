"""Rows that were decoded once and are kept on the disk: their files, and the cache of all such stores."""
