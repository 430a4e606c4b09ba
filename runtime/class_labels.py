"""Classes in artifacts and run folders, and the labels that an artifact takes and returns for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.operators.operands import RANGES
from dlc.compiler.types import MAX_CLASSES, Classes
from dlc.runtime.strict_json import all_are, is_integer

if TYPE_CHECKING:
    from dlc.compiler.types import Tensor


def raw_labels(classes: Classes) -> np.ndarray:
    """The label of each class by index. The last one, also at index -1, is the label of an unknown class."""
    if classes.names:
        return np.array((*classes.names, classes.unknown), dtype=object)
    return np.array((*(classes.numbers or ()), classes.unknown), np.int64)


def raw_rows(type: Tensor, rows: np.ndarray) -> np.ndarray:
    """Convert decoded rows to raw inputs of the artifact: class indices become labels, and -1 becomes the
    label of an unknown class."""
    if type.element == "class" and type.classes is not None:
        return raw_labels(type.classes)[rows]
    if type.element == "binary" and type.classes is not None and type.classes.names:
        return np.array(type.classes.names, dtype=object)[rows.astype(np.int64)]
    return rows


def classes_from_json(count: Any, labels: Any, found_in: str = "") -> Classes:
    """Classes from their count and their labels: names, integers or None. ValueError if they are invalid."""
    counted = is_integer(count) and 0 < count <= MAX_CLASSES
    if not counted or not (labels is None or are_labels(labels, count)):
        raise ValueError("these are not classes")
    return Classes(count, None if labels is None else tuple(labels), found_in)


def are_labels(labels: Any, count: int) -> bool:
    """Whether these are distinct names or distinct 64-bit integers, one for each class."""
    if not isinstance(labels, list) or len(labels) != count or len({*map(type, labels)}) != 1:
        return False
    low, high = RANGES["int64"]
    if all_are(str, labels):
        return len({*labels}) == count
    return (
        all(map(is_integer, labels))
        and len({*labels}) == count
        and low <= min(labels)
        and max(labels) <= high
    )
