"""dlc: a compiler for deep learning models.

`compile` checks a spec, `train` makes a model of it, `load` opens the ONNX file that comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["CompileError", "Diagnostic", "Program", "compile", "load", "train"]

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.diagnostics.problems import CompileError
    from dlc.program import Program, compile, train
    from dlc.runtime.artifact import load

HOMES = {
    "CompileError": "dlc.compiler.diagnostics.problems", "Diagnostic": "dlc.compiler.diagnostics.diagnostic",
    "Program": "dlc.program", "compile": "dlc.program",
    "train": "dlc.program", "load": "dlc.runtime.artifact",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Each name is imported when it is first used, so that a command pays for what it needs."""
    if name not in HOMES:
        raise AttributeError(f"module 'dlc' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
