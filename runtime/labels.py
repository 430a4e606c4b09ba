"""What the artifact takes and answers in the place of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dlc.compiler.types import Classes


def raw_labels(classes: Classes) -> np.ndarray:
    """The label of each class, at its place; the last, also at -1, is none of them."""
    if classes.names:
        return np.array((*classes.names, classes.unknown), dtype=object)
    return np.array((*(classes.numbers or ()), classes.unknown), np.int64)
