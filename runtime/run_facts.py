"""The facts about how a run is made: what `run.json` keeps, to resume and to report it."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import BUILTINS, Builtin
from dlc.compiler.urls import is_url, without_secrets
from dlc.runtime.artifact.versions import versions

if TYPE_CHECKING:
    from dlc.runtime.data import Dataset
    from dlc.runtime.open_rows import Face

IN_PYTHON = "in Python"  # the data of a run that was given as values
CUT = "cut"  # whether the address of the data had what signs in, which is not kept


def run_facts(face: Face, data: Any, dataset: Dataset | None, device: str) -> dict[str, Any]:
    """The folder of the spec, the data given in place of its own, the numbers of rows and the hashes of their
    fields, whether the training rows are shuffled in blocks, the device, the threads, and the versions."""
    import torch

    train = dataset.train if dataset else None
    return {
        "folder": os.path.abspath(face.folder),
        "data": name_of_source(data),
        CUT: is_url(data) and without_secrets(str(data)) != str(data),
        "rows": dataset.field_hashes if dataset else {},
        "blocks": train is not None and train.in_blocks,
        "device": device,
        "threads": torch.get_num_threads(),
        "versions": made_with(),
    }


def made_with() -> dict[str, str]:
    """The versions on which the bits of a training depend."""
    return {**versions(), "python": platform.python_version()}


def name_of_source(given: Any) -> str | None:
    """The data that was given in place of that of the spec, as `--data` takes it; none if there was none, and
    `in Python` for rows that were given as values."""
    if given is None or isinstance(given, Builtin):
        return given and given.set
    if not isinstance(given, (str, os.PathLike)):
        return IN_PYTHON
    return without_secrets(str(given)) if is_url(given) else os.path.abspath(given)


def source_named(name: Any) -> Any:
    """The source with a name of `name_of_source`; none for the source of the spec."""
    if not isinstance(name, str):
        return None
    if name in BUILTINS:
        return Builtin(set=name)
    return name if is_url(name) else Path(name)
