"""What Python gives as paths and params: what is clearly meant is taken, and the rest is an error in words.
Light to import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from dlc.compiler.diagnostics import CompileError, Diagnostic

LARGEST = 2**63
DEEPEST = 50  # lists within lists


def path_of(given: Any, what: str) -> Path:
    """A path; TypeError for what is none, ValueError for a text that no file can have as its name."""
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise TypeError(f"{what} is given as text or a pathlib.Path, not as {type(given).__name__}")
    path = str(os.fspath(given))
    if not path:
        raise ValueError(f"{what} is empty")
    if "\0" in path or not is_text(path):
        raise ValueError(f"{what} is no text in UTF-8: {path!r}")
    return Path(path)


def is_text(given: str) -> bool:
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def params_of(given: Any) -> dict[str, Any]:
    """Values for params by name: those of NumPy and paths as a spec writes them. `CompileError` for what no
    spec can write."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"params are a dict of values by name, not {type(given).__name__}")
    made, problems = {}, []
    for name, value in given.items():
        try:
            made[str(name)] = plain(value)
        except ValueError as error:
            problems.append(Diagnostic("E0403", f"`{name}` was set to {error}", ()))
    if problems:
        raise CompileError(problems)
    return made


def plain(value: Any, depth: int = 0) -> Any:
    """A value as a spec writes it. ValueError says what it is if it is none."""
    if hasattr(value, "tolist"):  # of NumPy or torch
        value = value.tolist()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (list, tuple)):
        if depth == DEEPEST:
            raise ValueError(f"lists within lists more than {DEEPEST} levels deep")
        entries = [plain(entry, depth + 1) for entry in value]
        return tuple(entries) if isinstance(value, tuple) else entries
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and is_text(value):
        return str(value)
    if isinstance(value, int) and abs(value) <= LARGEST:
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    raise ValueError(
        f"{described(value)}, and a param is a number, text, true, false, none or a list of these"
    )


def described(value: Any) -> str:
    if isinstance(value, str):
        return "text that is not UTF-8"
    if isinstance(value, int):
        return "a number that is too large"
    return f"`{value}`" if isinstance(value, float) else f"a value of type {type(value).__name__}"
