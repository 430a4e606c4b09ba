"""Columns of file names: pictures, masks and recordings that fill fields.

`paths` lists folders and keeps names below a root. `pictures` and `recordings` have the readers, `workers`
runs them in several processes, and `contents` replaces columns of names by what the files hold.
"""
