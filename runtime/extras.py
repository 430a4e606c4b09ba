"""Packages that only some specs need. An extra of dlc installs them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.file_sources import (
    MASK,
    PICTURE,
    RECORDING,
    Files,
    FolderOfFiles,
    content_of,
    takes_both,
)
from dlc.compiler.diagnostics.problems import CompileError

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.metrics import Metric

EXTRAS = {
    "sacrebleu": "text", "tokenizers": "text", "PIL": "vision", "soundfile": "audio", "soxr": "audio",
    "matplotlib": "report", "jinja2": "report",
}  # fmt: skip
DECODERS = {PICTURE: ("PIL",), MASK: ("PIL",), RECORDING: ("soundfile", "soxr")}  # by what a file holds
NOT_INSTALLED = "E0816"


def check_packages(program: CompiledProgram) -> None:
    """Error E0816 for a metric, a tokenizer or a decoder of files whose package cannot be imported, before
    data is read."""
    check_decoders(program)
    for metric in (metric for phase in program.phases for _, metric in phase.metrics):
        if lacking := lacking_package(metric):
            raise CompileError.of(NOT_INSTALLED, lacking, metric.span, help=install_command(metric.package))
    for node in (node for node in program.readers if node.operator.outside):
        if find_spec("tokenizers") is None:
            message = "subwords are found by the package tokenizers, which is not installed"
            raise CompileError.of(NOT_INSTALLED, message, node.site.span, help=install_command("tokenizers"))


def check_decoders(program: CompiledProgram) -> None:
    """Error E0816 for pictures or recordings whose decoder is not installed."""
    data = program.data
    if data is None:
        return
    for source in (data.source, data.validation, data.test):
        if isinstance(source, FolderOfFiles):
            need_packages(source.holds, source)
    types = {i.name: i.declared for i in program.inputs} | {o.target: o.declared for o in program.outputs}
    for name, field in data.fields.items():
        if isinstance(field, Files) and name in types and (field.holds or not takes_both(types[name])):
            need_packages(content_of(types[name], field.holds), field)


def need_packages(content: str, definition: Any) -> None:
    """Error E0816 if a package that decodes these files is not installed."""
    for package in DECODERS.get(content, ()):
        if find_spec(package) is None:
            shown = {"PIL": "Pillow"}.get(package, package)
            message = f"{content}s are decoded by the package {shown}, which is not installed"
            span = getattr(definition, "span", None)
            raise CompileError.of(NOT_INSTALLED, message, span, help=install_command(package))


def check_report() -> None:
    """Error E0816 if a package that makes reports is not installed."""
    for package, does in (("matplotlib", "draws the figures"), ("jinja2", "fills in the page")):
        if find_spec(package) is None:
            message = f"{package}, which {does} of a report, is not installed"
            raise CompileError.of(NOT_INSTALLED, message, help=install_command(package))


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
