"""Classes as artifacts and runs keep them, and what an artifact takes and answers in the place of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlc.compiler.operators.operands import RANGES
from dlc.compiler.types import MAX_CLASSES, Classes
from dlc.runtime.strict_json import all_are, is_whole


def raw_labels(classes: Classes) -> np.ndarray:
    """The label of each class, at its place; the last, also at -1, is none of them."""
    if classes.names:
        return np.array((*classes.names, classes.unknown), dtype=object)
    return np.array((*(classes.numbers or ()), classes.unknown), np.int64)


def classes_from_json(count: Any, labels: Any, found_in: str = "") -> Classes:
    """So many classes, with names or numbers or none. ValueError if there are no such."""
    counted = is_whole(count) and 0 < count <= MAX_CLASSES
    if not counted or not (labels is None or are_labels(labels, count)):
        raise ValueError("these are no classes")
    return Classes(count, None if labels is None else tuple(labels), found_in)


def are_labels(labels: Any, count: int) -> bool:
    """Names or whole numbers of 64 bits, as many as there are classes, no two alike."""
    if not isinstance(labels, list) or len(labels) != count or len({*map(type, labels)}) != 1:
        return False
    low, high = RANGES["int64"]
    if all_are(str, labels):
        return len({*labels}) == count
    return (
        all(map(is_whole, labels)) and len({*labels}) == count and low <= min(labels) and max(labels) <= high
    )
