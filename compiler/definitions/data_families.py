"""The families of definitions in the section `data`."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition


class DataSource(Definition, family="source", what="a source of rows"):
    """A source of rows."""

    is_one_file = True


class SplitMethod(Definition, family="split", what="a way to split the rows"):
    """A way to split the rows into training, validation and test."""


class Field(Definition, family="field", what="a field of the data"):
    """The origin of the values of one input or target."""
