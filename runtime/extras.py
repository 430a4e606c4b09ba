"""Packages that only some specs need. An extra of dlc installs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.problems import CompileError

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.metrics import Metric

EXTRAS = {"sacrebleu": "text"}
NOT_INSTALLED = "E0816"


def check_packages(program: CompiledProgram) -> None:
    """Error E0816 for a metric that is computed by a package that cannot be imported, before data is read."""
    for metric in (metric for phase in program.phases for _, metric in phase.metrics):
        if lacking := lacking_package(metric):
            raise CompileError.of(NOT_INSTALLED, lacking, metric.span, help=install_command(metric.package))


def lacking_package(metric: Metric) -> str:
    """The error message of a metric whose package cannot be imported; empty if it can, or it needs none."""
    if not metric.package:
        return ""
    try:
        metric.import_package()
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == metric.package
        why = "is not installed" if absent else f"cannot be imported: {error}"
        return f"`{metric.name}` is computed by the package {metric.package}, which {why}"
    return ""


def install_command(package: str) -> str:
    return f'pip install "dlc[{EXTRAS[package]}]"'
