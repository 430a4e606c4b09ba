"""The values of a state of a training, as JSON and tensors: no value of it can run code."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

TENSOR = "tensor"  # the key of the number of a tensor
FLOAT = "float"  # the key of a number that JSON does not have
PAIRS = "pairs"  # the key of a dict whose keys are not all texts
FLOATS = {"nan", "inf", "-inf"}


def split(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """A value as JSON: nested dicts, lists, numbers, texts, arrays and tensors. Each tensor gets the next
    number among `tensors`, where it is stored. Tuples become lists, and arrays tensors. TypeError for
    any other value."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value))
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous()
        return {TENSOR: name}
    if isinstance(value, float) and not isfinite(value):
        return {FLOAT: str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [split(item, tensors) for item in value]
    if isinstance(value, dict):
        return {PAIRS: [[split(k, tensors), split(v, tensors)] for k, v in value.items()]}
    raise TypeError(f"no state has a {type(value).__name__}")


def joined(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The value of which `split` made this JSON. ValueError if it made no such JSON."""
    if isinstance(value, list):
        return [joined(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"tensor": str(name)} if name in tensors:
            return tensors[name]
        case {"float": str(text)} if text in FLOATS:
            return float(text)
        case {"pairs": list(pairs)} if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return {joined(key, tensors): joined(of, tensors) for key, of in pairs}
    raise ValueError("it is not as dlc writes it")
