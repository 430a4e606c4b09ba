"""What a path names on the command line: an artifact, a run, or something else."""

from __future__ import annotations

import os


def is_model(path: str) -> bool:
    return path.endswith(".onnx")


def in_runs(path: str) -> bool:
    """Whether a path is the folder of one run, or of several runs."""
    if not os.path.isdir(path) and os.path.splitext(path)[1]:
        return False
    from pathlib import Path

    from dlc.runtime.run_folder import INFO, LATEST, run_at

    return any((run_at(Path(path)) / name).exists() for name in (INFO, LATEST))
