"""Transformers: training against the idiomatic script and in bfloat16, and the artifact in ONNX Runtime
against torch and the file of its exporter."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from pydoc_data.topics import topics
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import dlc
from benchmarks import transformer_rivals as rivals
from benchmarks.exporting import quiet
from benchmarks.one_thread import compare_answers, in_runtime, one_thread
from benchmarks.recurrent import check_losses
from benchmarks.timing import Comparison, Effort, Sweep, Timing, seconds
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import open_rows
from dlc.runtime.training.bfloat16 import slowdown
from dlc.runtime.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.one_thread import Answer
    from dlc.runtime.training.history import Trained

SPEC = Path(__file__).parent / "specs" / "gpt.dl"
CLASSES, FIRST, LONGEST = 96, 32, 256  # printable characters
SAME_LOSS = 0.05  # relative difference of the losses of both trained networks


def compare(effort: Effort) -> Iterator[Comparison | Sweep]:
    with one_thread():
        yield compare_training(effort)
        yield compare_precision(effort)
        yield from compare_inference(effort)


# --- training ---------------------------------------------------------------------------------------------

ROWS, STEPS, BATCH, EPOCHS, QUICK = 48, 128, 16, 10, 16


def compare_training(effort: Effort) -> Comparison:
    """Fails if both do not reach about the same loss from the same weights."""
    rows, epochs = (QUICK, 1) if effort.quick else (ROWS, EPOCHS)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        write_rows(file, rows, STEPS)
        both = partial(ours, file, epochs), partial(theirs, file, epochs)
        losses = both[0]().figures["train"]["loss"], rivals.loss(both[1](), file)
        check_losses(*losses, SAME_LOSS)
        timing = effort.time(partial(seconds, both[0]), partial(seconds, both[1]))
    reached = f"to a loss of {losses[0]:.2f} (the script: {losses[1]:.2f})"
    size = f"batch {BATCH}, {rows} texts of {STEPS} characters, epochs: {epochs}"
    what = f"training GPT 4 x 128, {size}, {reached}"
    return Comparison(what, "`DataLoader`, `nn.Module`, `AdamW`", timing, 1, tokens=rows * STEPS * epochs)


def write_rows(file: Path, count: int, steps: int) -> None:
    """Texts of Python's manual, and the same texts one character later."""
    text = np.frombuffer("".join(topics.values()).encode("ascii", "replace"), np.uint8).astype(np.int64)
    text = np.clip(text - FIRST, 0, CLASSES - 1)
    starts = np.random.default_rng(0).integers(0, len(text) - steps - 1, count)
    rows = [text[start : start + steps + 1] for start in starts]
    pq.write_table(pa.table({"text": [row[:-1] for row in rows], "next": [row[1:] for row in rows]}), file)


def ours(file: Path, epochs: int, batch: int = BATCH, precision: str = "float32") -> Trained:
    """Train with dlc, from the spec and the file of rows to trained weights and their metrics."""
    settings = {"epochs": epochs, "train.batch": batch, "train.precision": precision}
    program = dlc.compile(SPEC, params=settings)
    data = open_rows.open_data(program, file)
    return train(program.compiled, data, draw(program.compiled.graph, 0), on="cpu")


def theirs(file: Path, epochs: int) -> rivals.Transformer:
    """Train with the script from the same initial weights."""
    torch.manual_seed(0)
    network = rivals.Transformer(CLASSES, 128, 4, 4, LONGEST, causal=True)
    network.fill(draw(dlc.compile(SPEC).compiled.graph, 0))
    rivals.train(network, file, batch=BATCH, epochs=epochs)
    return network


# --- bfloat16 ---------------------------------------------------------------------------------------------

SHORT, FEW, NARROW_STEPS = 32, 4, 200  # steps and rows of a batch, for processors that are slow in bfloat16
SAME_NARROW = 0.01


def compare_precision(effort: Effort) -> Comparison:
    """Fails if the losses differ by more than 1 %. Faster than float32 only where the processor is."""
    steps = 4 if effort.quick else NARROW_STEPS
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        write_rows(file, steps * FEW, SHORT)
        narrow, wide = (partial(ours, file, 1, FEW, precision) for precision in ("bf16", "float32"))
        losses = narrow().figures["train"]["loss"], wide().figures["train"]["loss"]
        check_losses(*losses, SAME_NARROW)
        once = Effort(quick=True, patience=effort.patience)
        timing = once.time(partial(seconds, narrow), partial(seconds, wide))
    ratio = slowdown()
    what = (f"training GPT 4 x 128 with `precision = bf16`, {steps} steps of {FEW} texts of {SHORT} "
            f"characters, to a loss of {losses[0]:.3f} (float32: {losses[1]:.3f}); on this processor a dense "
            f"layer takes {ratio:.1f} times as long as in float32")  # fmt: skip
    return Comparison(what, "float32", timing, 1 if ratio < 1 else 0, tokens=steps * FEW * SHORT)


# --- inference --------------------------------------------------------------------------------------------

NETWORKS = {"GPT 4 x 128": (128, 4, True), "encoder 4 x 256": (256, 8, False)}  # width, heads, causal
BATCHES, LENGTHS = (1, 8), (16, 64, 256)
AGAINST = ("the module in torch", "the file of its exporter")
TEXT = """
input  text: class({classes})[T]
output next: float[T, {classes}]

block layer(x) {{
  x = x + (x -> layernorm -> attention({heads}, causal={causal}))
  return x + (x -> layernorm -> dense({hidden}) -> gelu -> dense({width}))
}}

text -> embedding({width}) -> position_embedding({longest}) -> repeat(4, layer) -> layernorm
  -> dense({classes}) -> next
"""


def compare_inference(effort: Effort) -> Iterator[Sweep]:
    batches, lengths = (sizes[:1] if effort.quick else sizes for sizes in (BATCHES, LENGTHS))
    found: dict[str, dict[tuple[str, str], Timing]] = {against: {} for against in AGAINST}
    for title, (width, heads, causal) in NETWORKS.items():
        run, *others = candidates(width, heads, causal)
        for batch, length in product(batches, lengths):
            text = np.random.default_rng(0).integers(0, CLASSES, (batch, length))
            for against, other in zip(AGAINST, others, strict=True):
                timing = compare_answers(partial(run, text), partial(other, text), effort)
                found[against][title, f"{batch} x {length}"] = timing
    for against, timings in found.items():
        what = f"transformers in ONNX Runtime against {against}, median over the table"
        yield Sweep(what, against, timings, 1, corner="network, batch x steps")


def candidates(width: int, heads: int, causal: bool) -> tuple[Answer, Answer, Answer]:
    """The artifact, the module in torch and the file of its exporter, on one thread, with equal weights."""
    given = {"width": width, "hidden": 4 * width, "heads": heads, "causal": str(causal).lower()}
    text = TEXT.format(classes=CLASSES, longest=LONGEST, **given)
    program = dlc.compile(text=text)
    weights = program.weights()
    network = rivals.Transformer(CLASSES, width, heads, 4, LONGEST, causal).eval()
    network.fill(weights)

    def in_torch(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return in_runtime(program.onnx(weights).SerializeToString()), in_torch, in_runtime(exported(network))


def exported(network: rivals.Transformer) -> bytes:
    sizes: Any = {0: torch.export.Dim("batch"), 1: torch.export.Dim("steps", max=LONGEST)}
    with quiet():
        made = torch.onnx.export(network, (torch.zeros(2, 8, dtype=torch.long),), dynamo=True,
                                 dynamic_shapes=(sizes,), opset_version=20, verbose=False)  # fmt: skip
    assert made is not None
    return made.model_proto.SerializeToString()
