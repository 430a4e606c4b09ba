"""Views of a program: a table, a list of weights, a picture, and the text of every stage."""
