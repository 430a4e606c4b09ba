"""Lints about features of sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.file_sources import (
    RATE,
    RECORDING,
    ColumnNamed,
    Files,
    FolderOfFiles,
    content_of,
)
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definitions.data_families import DataSource, Field
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram

    Read = tuple[int, DataSource | Field]  # the rate of a recording, and what says it


def other_rates(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Operators that take recordings to have another rate than that at which they are read. Layers with
    windows may change the rate, so nothing behind them is reported."""
    read = dict(recordings(program))
    for node in program.graph.nodes if read else ():
        found = next((read[value] for value in node.operands if value in read), None)
        if found is None:
            continue
        taken, (rate, place) = node.operator.sample_rate, found
        if taken is not None and taken != rate:
            message = (
                f"`{node.operator.name}` takes a rate of {taken:g} Hz, and recordings are read at {rate} Hz"
            )
            yield Diagnostic.at(node.site, "W0425", message, "write the same `rate` in both places",
                                more=[Label(place.span, "read here")] if place.span else [])  # fmt: skip
        if not node.operator.spatial:
            read.update(dict.fromkeys(node.results, found))


def recordings(program: CompiledProgram) -> Iterator[tuple[Value, Read]]:
    """The inputs that are read from recordings."""
    fields, source = (program.data.fields, program.data.source) if program.data else ({}, None)
    folder = source if isinstance(source, FolderOfFiles) and source.holds == RECORDING else None
    for given in program.inputs:
        field = fields.get(given.name)
        if isinstance(field, Files) and content_of(given.declared, RECORDING):
            yield given.value, (field.rate or RATE, field)
        elif folder and not isinstance(field, ColumnNamed) and content_of(given.declared, RECORDING):
            yield given.value, (folder.rate or RATE, folder)
