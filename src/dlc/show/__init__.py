"""A network for the eye: as a table, as lists of weights, as a picture, and every stage as text."""
