"""Recurrent networks: training on sequences of different length against packed sequences in PyTorch, and the
artifact in ONNX Runtime against the module in torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

import dlc
from benchmarks import sequence_rivals as rivals
from benchmarks.one_thread import compare_answers, in_runtime, one_thread
from benchmarks.timing import Comparison, Effort, Sweep, seconds
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import open_rows
from dlc.runtime.training.loop import train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dlc.runtime.training.history import Trained

    Answer = Callable[[np.ndarray], np.ndarray]

SPECS = Path(__file__).parent / "specs"
WORDS, CLASSES = 2000, 12
SHORTEST, LONGEST, MEDIAN, SPREAD = 3, 120, 20, 0.8  # words of a text: log-normal, cut
ROWS, EPOCHS, QUICK = 1000, 3, 96
SAME_LOSS = 0.25  # relative difference of the losses of both trained networks


@dataclass(frozen=True)
class Workload:
    """One network as a spec and as a module."""

    title: str
    spec: Path
    network: Callable[[int, int], nn.Module]
    tags: bool  # one target a word, else one a text


WORKLOADS = (
    Workload("a bidirectional LSTM tagger", SPECS / "tagger.dl", rivals.Tagger, tags=True),
    Workload("an LSTM classifier", SPECS / "classifier.dl", rivals.Classifier, tags=False),
)


def compare(effort: Effort) -> Iterator[Comparison | Sweep]:
    with one_thread():
        yield from (compare_training(work, effort) for work in WORKLOADS)
        yield compare_inference(effort)


# --- training ---------------------------------------------------------------------------------------------


def compare_training(work: Workload, effort: Effort) -> Comparison:
    """Fails if both do not reach about the same loss from the same weights."""
    rows, epochs = (QUICK, 1) if effort.quick else (ROWS, EPOCHS)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        tokens = epochs * write_rows(work, file, rows)
        losses = (
            ours(work, file, epochs).figures["train"]["loss"],
            rivals.loss(theirs(work, file, epochs), file),
        )
        check_losses(*losses)
        timing = effort.time(partial(seconds, partial(ours, work, file, epochs)),
                             partial(seconds, partial(theirs, work, file, epochs)))  # fmt: skip
    reached = f"to a loss of {losses[0]:.2f} (the script: {losses[1]:.2f})"
    what = f"training {work.title}, batch 32, {rows:_} texts, epochs: {epochs}, {reached}"
    return Comparison(what, "`DataLoader`, `pad_sequence`, `pack_padded_sequence`", timing, 1, tokens=tokens)


def write_rows(work: Workload, file: Path, count: int) -> int:
    """Random texts, in which the class of a word depends on it and on the one before; the class of a text is
    that of its last word. Returns the number of words."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(MEDIAN), SPREAD, count), SHORTEST, LONGEST).astype(int)
    texts = [np.minimum(rng.zipf(1.3, n) - 1, WORDS - 1) for n in lengths]
    tags = [(text + np.roll(text, 1)) % CLASSES for text in texts]
    y = tags if work.tags else [int(row[-1]) for row in tags]
    pq.write_table(pa.table({"words": texts, "y": y}), file)
    return int(lengths.sum())


def ours(work: Workload, file: Path, epochs: int) -> Trained:
    """Train with dlc, from the spec and the file of rows to trained weights and their metrics."""
    program = dlc.compile(work.spec, params={"epochs": epochs})
    data = open_rows.open_data(program, file)
    return train(program.compiled, data, draw(program.compiled.graph, 0), on="cpu")


def theirs(work: Workload, file: Path, epochs: int) -> nn.Module:
    """Train with the script from the same initial weights."""
    torch.manual_seed(0)
    network = work.network(WORDS, CLASSES)
    fill(network, draw(dlc.compile(work.spec).compiled.graph, 0))
    rivals.train(network, file, batch=32, epochs=epochs)
    return network


def fill(network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
    """Copy the weights of a spec, which has them in the same order."""
    for tensor, array in zip(network.state_dict().values(), weights.values(), strict=True):
        tensor.copy_(torch.from_numpy(array))


def check_losses(found: float, wanted: float, share: float = SAME_LOSS) -> None:
    """Fails if the relative difference of two losses is more than a share."""
    if abs(found - wanted) > share * wanted:
        raise ValueError(f"the trainings differ: they end at losses of {found:.4f} and {wanted:.4f}")


# --- inference --------------------------------------------------------------------------------------------

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
UNITS, BATCHES, STEPS = (64, 128, 256), (1, 8, 32), (16, 64, 256)
FEATURES, OUTPUTS = 64, 10


def compare_inference(effort: Effort) -> Sweep:
    units, batches, steps = [sizes[:1] if effort.quick else sizes for sizes in (UNITS, BATCHES, STEPS)]
    found = {}
    for kind, both, size in product(LAYERS, (False, True), units):
        name = f"{kind}({size}{', bidirectional=true' * both})"
        run, module = candidates(name, LAYERS[kind](FEATURES, size, batch_first=True, bidirectional=both))
        for batch, length in product(batches, steps):
            x = np.random.default_rng(0).standard_normal((batch, length, FEATURES), np.float32)
            timing = compare_answers(partial(run, x), partial(module, x), effort)
            found[f"`{name}`", f"{batch} x {length}"] = timing
    what = "recurrent layers in ONNX Runtime, median over the table"
    return Sweep(what, "the module in torch", found, 1.2, corner="layer, batch x steps")


def candidates(layer: str, module: nn.RNNBase) -> tuple[Answer, Answer]:
    """The artifact in ONNX Runtime and the module in torch, on one thread, with equal weights."""
    text = (
        f"input x: float[T, {FEATURES}]\noutput y: float[T, {OUTPUTS}]\nx -> {layer} -> dense({OUTPUTS}) -> y"
    )
    program = dlc.compile(text=text)
    weights = program.weights()
    network = rivals.Layer(module, OUTPUTS).eval()
    fill(network, weights)
    run = in_runtime(program.onnx(weights).SerializeToString())

    def in_torch(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(x)).numpy()

    return run, in_torch
