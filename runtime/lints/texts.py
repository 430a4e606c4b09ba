"""Lint of texts that are too long for the frames that `ctc` aligns them with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import GraphInput
from dlc.compiler.training.metric_counts import packed
from dlc.runtime.data.rows.dataset import CHUNK
from dlc.runtime.data.rows.free_dims import free_dims
from dlc.runtime.training.meter import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset, Rows


def longer_than_frames(
    program: CompiledProgram, data: Dataset, weights: Mapping[str, np.ndarray]
) -> Iterator[Diagnostic]:
    """Training rows whose text has no alignment with its frames, so that they do not count in the loss."""
    rows = data.train
    for node in program.graph.nodes if rows is not None else ():
        if not node.operator.aligns or not isinstance(text := node.operands[1], GraphInput):
            continue
        assert rows is not None
        needed = needed_steps(text, rows) if text.field in rows.types else None
        steps, dims = node.operands[0].type.shape[0], free_dims(program, rows)
        if needed is None or not names(steps) <= dims.keys():
            continue
        there = np.maximum(evaluate(steps, dims), 0)
        if not (missing := needed > there).any():
            continue
        first = int(np.argmax(missing))
        few = int(np.broadcast_to(there, needed.shape)[first])
        message = f"{missing.sum()} of the {len(needed)} texts of `{text.field}` do not fit into their " \
                  f"frames, and do not count: one needs {needed[first]}, and has {few}"  # fmt: skip
        help = f"give `{node.operator.name}` more frames, by smaller strides before it, or leave these " \
               "rows out; a text needs a frame for each symbol, and one between equal symbols"  # fmt: skip
        yield Diagnostic.at(node.site, "W0715", message, help)


def needed_steps(text: GraphInput, rows: Rows) -> np.ndarray:
    """The minimum number of frames for each row: its symbols, and a blank between two equal ones."""
    lengths, found = rows.length_names.get(text.field), []
    for batch in rows.batches(CHUNK, [text.field, *([lengths] if lengths else [])]):
        values = batch[text.field]
        given = counted(text.type, values, batch[lengths] if lengths else None)
        symbols, count = packed(np, values, given)
        repeats = (symbols[:, 1:] == symbols[:, :-1]) & (symbols[:, 1:] >= 0)
        found.append(count + repeats.sum(1))
    return np.concatenate(found)
