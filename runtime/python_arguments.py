"""Paths and params from Python arguments, with checks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlc.compiler.static import is_text


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
