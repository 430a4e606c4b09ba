"""dlc: a compiler for deep learning models.

`compile` checks a spec, `train` trains and exports it, `load` opens the ONNX file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["CompileError", "Diagnostic", "Listener", "Program", "compile", "load", "train"]

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.program import Program, compile, train
    from dlc.runtime.artifact import load
    from dlc.runtime.training.history import Listener

HOMES = {
    "CompileError": "dlc.compiler.diagnostics.problems", "Diagnostic": "dlc.compiler.diagnostics.diagnostic",
    "Listener": "dlc.runtime.training.history", "Program": "dlc.program", "compile": "dlc.program",
    "train": "dlc.program", "load": "dlc.runtime.artifact",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import each name when it is first used, so that commands start fast."""
    if name not in HOMES:
        raise AttributeError(f"module 'dlc' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
