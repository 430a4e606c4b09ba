"""The columns of a source that fill each field, and their values as numbers, classes and texts."""
