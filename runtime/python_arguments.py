"""Paths and params from Python arguments, with checks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from operator import index
from pathlib import Path
from typing import Any

from dlc.compiler.static import is_text
from dlc.runtime.training.history import Listener


def path_of(given: Any, what: str) -> Path:
    """A path. TypeError for other types, ValueError for a text that cannot be a file name."""
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise TypeError(f"{what} is given as text or a pathlib.Path, not as {type(given).__name__}")
    path = str(os.fspath(given))
    if not path:
        raise ValueError(f"{what} is empty")
    if "\0" in path or not is_text(path):
        raise ValueError(f"{what} is not text in UTF-8: {path!r}")
    return Path(path)


def params_of(given: Any) -> dict[str, Any]:
    """Values of params by name; the compiler checks them. TypeError if it is not a mapping."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"params are a dict of values by name, not {type(given).__name__}")
    return {str(name): value for name, value in given.items()}


def seeds_of(given: Any) -> int | None:
    """A number of seeds, at least 2; None for one training. TypeError or ValueError for anything else."""
    if given is None:
        return None
    try:
        count = index(given)
    except TypeError:
        count = None
    if count is None or isinstance(given, bool):
        raise TypeError(f"seeds is a number of trainings, such as 5, not {type(given).__name__}")
    if count < 2:
        raise ValueError(f"seeds is at least 2, not {count}: one training needs no `seeds`")
    return count


def listeners_of(given: Any) -> list[Listener]:
    """The listeners of a training. TypeError if it is not a list of them."""
    if isinstance(given, (Listener, type)) or not isinstance(given, Iterable):
        raise TypeError(f"listeners is a list of objects of dlc.Listener, not {type(given).__name__}")
    listeners = list(given)
    for one in listeners:
        if not isinstance(one, Listener):
            kind = f"the class {one.__name__}" if isinstance(one, type) else type(one).__name__
            raise TypeError(f"a listener is an object of a class below dlc.Listener, not {kind}")
    return listeners
