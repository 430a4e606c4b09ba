"""Rows as commands name them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def source_of(given: str | None) -> Any:
    """A path if there is such a file or folder, else a built-in set of that name."""
    if given is None:
        return None
    if os.path.exists(given):
        return Path(given)
    from dlc.compiler.sections import BUILTINS, Builtin

    if given in BUILTINS:
        return Builtin(set=given)
    raise FileNotFoundError(2, "no such file or folder, and no built-in set", given)
