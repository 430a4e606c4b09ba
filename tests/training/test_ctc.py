"""Training with `ctc`: its loss, gradients and figures, and a story from a spec to predicted texts."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional
from torchmetrics.text import EditDistance

import dlc
from dlc.compiler import Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model, TorchFunctions
from dlc.compiler.passes import specialize
from dlc.compiler.program import Facts
from dlc.compiler.training.sequence_losses import Ctc
from dlc.compiler.types import Classes, Tensor
from dlc.runtime import lints
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.training.loop import train

RNG = np.random.default_rng(0)
GLYPHS = RNG.normal(size=(5, 8)).astype(np.float32)
LETTERS = np.array(list("abcde"))
DIFFER = Facts(lengths=frozenset({"T", "U"}))
SPEC = """
input  x: float[T, 8]
output y: class(5)[U]

x -> dense(16) -> relu -> dense(y.classes + 1) -> y

train {
  loss = ctc(y)
  metrics = [edit_distance, sequence_accuracy]
  optimizer = adam(lr=0.02)
  batch = 16
  epochs = 6
}
"""


def lines(n: int, frames: int | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Texts of 0 to 4 symbols, and frames that show each symbol once, in order, among frames of noise."""
    seen, texts = [], []
    for _ in range(n):
        text = RNG.integers(0, 5, RNG.integers(0, 5))
        x = RNG.normal(size=(frames or RNG.integers(2 * len(text) + 1, 16), 8)) * 0.1
        places = np.sort(RNG.choice(len(x), 2 * len(text), replace=False))[::2]
        x[places] += GLYPHS[text]
        seen.append(x.astype(np.float32))
        texts.append(text)
    return seen, texts


def ragged(seen: list[np.ndarray], texts: list[np.ndarray]) -> InMemoryRows:
    frames, symbols = np.array([*map(len, seen)]), np.array([*map(len, texts)])
    fields = {"x": Ragged(np.concatenate(seen), frames), "y": Ragged(np.concatenate(texts), symbols)}
    return InMemoryRows(fields, len(seen), lengths={"x_length": frames, "y_length": symbols})


def alone(scores: torch.Tensor, text: np.ndarray, reduction: str = "mean") -> torch.Tensor:
    """The loss of one row in PyTorch."""
    log, target = scores.log_softmax(-1), torch.from_numpy(text)[None] + 1
    sizes = torch.tensor([len(scores)]), torch.tensor([len(text)])
    return functional.ctc_loss(log[:, None], target, *sizes, reduction=reduction).sum()


def scores_of(weights, x: np.ndarray) -> torch.Tensor:
    h = functional.linear(torch.from_numpy(x), weights["dense.weight"], weights["dense.bias"]).relu()
    return functional.linear(h, weights["dense_2.weight"], weights["dense_2.bias"])


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_padded_batch_has_the_loss_and_gradient_of_each_row_alone(reduce):
    text = SPEC.replace("ctc(y)", f"ctc(y, reduce={reduce})")
    p = compile(Source("m.dl", text), facts=DIFFER)
    seen, texts = lines(20)
    rows = ragged(seen, texts)
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0))
    (batch,) = rows.batches([20], ["x", "y", "x_length", "y_length"])
    loss = model({name: torch.from_numpy(array) for name, array in batch.items()})["loss"]
    loss.backward()
    weights = {n: w.detach().requires_grad_() for n, w in model.named_parameters()}
    each = [alone(scores_of(weights, x), t, reduce) for x, t in zip(seen, texts, strict=True)]
    wanted = torch.stack(each).mean()
    wanted.backward()
    torch.testing.assert_close(loss, wanted)
    for name, own in model.named_parameters():
        torch.testing.assert_close(own.grad, weights[name].grad, rtol=1e-4, atol=1e-6)


def test_figures_of_rows_that_differ_are_those_of_each_row_alone():
    p = compile(Source("m.dl", SPEC), facts=DIFFER)
    seen, texts = lines(60)
    found = train(p, Dataset(ragged(seen, texts), None, None), draw(p.graph, 0), on="cpu")
    weights = {name: torch.from_numpy(array) for name, array in found.weights.items()}
    scores = [scores_of(weights, x) for x in seen]
    answers = ["".join(LETTERS[k - 1] for k, _ in groupby(s.argmax(-1).tolist()) if k) for s in scores]
    targets = ["".join(LETTERS[text]) for text in texts]
    figures = found.figures["train"]
    assert any(answers)
    assert figures["edit_distance"] == pytest.approx(EditDistance()(answers, targets).item())
    same = [a == b for a, b in zip(answers, targets, strict=True)]
    assert figures["sequence_accuracy"] == pytest.approx(np.mean(same))
    losses = [alone(s, t).item() for s, t in zip(scores, texts, strict=True)]
    assert figures["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_batches_of_empty_rows_and_of_empty_texts():
    """A row without frames has the loss 0, and an empty text that of blanks alone."""
    p = compile(Source("m.dl", SPEC), facts=DIFFER)
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0))
    empty = {"y": torch.zeros(2, 0, dtype=torch.int64), "y_length": torch.zeros(2, dtype=torch.int64)}
    made = model({"x": torch.zeros(2, 0, 8), "x_length": torch.zeros(2, dtype=torch.int64)} | empty)["loss"]
    made.backward()
    assert made.item() == 0
    x = torch.randn(2, 3, 8)
    made = model({"x": x, "x_length": torch.tensor([3, 1])} | empty)["loss"]
    weights = dict(model.named_parameters())
    each = [
        -scores_of(weights, row[:n].numpy()).log_softmax(-1)[:, 0].sum()
        for row, n in zip(x, (3, 1), strict=True)
    ]
    torch.testing.assert_close(made, torch.stack(each).mean())


def bound(type: Tensor, **settings) -> Ctc:
    return Ctc(**settings).bind(Tensor("float", (6, 4)), type)  # type: ignore[return-value]


@pytest.mark.parametrize("reduce", ["mean", "sum", None])
def test_a_text_that_does_not_fit_does_not_count(reduce):
    """Six frames hold six symbols of which none is repeated; PyTorch has infinity for longer texts."""
    texts = np.array([[0, 1, 2, 0, 1, 2], [0, 0, 0, 0, 1, 2], [1, 1, 1, 1, -1, -1], [0, 0, 0, -1, -1, -1]])
    scores = torch.randn(4, 6, 4, requires_grad=True)
    made = bound(Tensor("class", (6,), Classes(3)), reduce=reduce).torch(
        TorchFunctions({}), scores, torch.from_numpy(texts)
    )
    each = [alone(s, t[t >= 0], reduce or "sum") for s, t in zip(scores, texts, strict=True)]
    assert [loss.isfinite().item() for loss in each] == [True, False, False, True]
    if reduce is None:
        torch.testing.assert_close(made, torch.stack([each[0], 0 * each[0], 0 * each[0], each[3]]))
    else:
        torch.testing.assert_close(made, (each[0] + each[3]) / 2)
    made.sum().backward()
    assert scores.grad is not None
    assert [bool(g.any()) for g in scores.grad] == [True, False, False, True]
    assert scores.grad.isfinite().all()


def test_unreduced_losses_are_averaged_over_the_texts_that_fit():
    p = compile(Source("m.dl", "input x: float[2, 4]\noutput y: class(3)[2]\nx * 2 -> dense(4) -> y\n"
                               "train { loss = 3 * ctc(y, reduce=none) }\n"))  # fmt: skip
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0))
    x, y = torch.randn(3, 2, 4), torch.tensor([[0, 1], [1, 1], [2, 0]])
    scores = functional.linear(2 * x, *dict(model.named_parameters()).values())
    wanted = 3 * (alone(scores[0], y[0].numpy(), "sum") + alone(scores[2], y[2].numpy(), "sum")) / 2
    torch.testing.assert_close(model({"x": x, "y": y})["loss"], wanted)


def test_integers_as_targets():
    loss = Ctc().bind(Tensor("float", (5, 4)), Tensor("int64", (2,)))
    scores, text = torch.randn(1, 5, 4), torch.tensor([[2, -1]])
    made = loss.torch(TorchFunctions({}), scores, text)
    torch.testing.assert_close(made, alone(scores[0], np.array([2])))


def warned(p, rows: InMemoryRows) -> list[str]:
    found = lints.run_lints(p, Dataset(rows, None, None), draw(p.graph, 0))
    return [d.message for d in found if d.code == "W0715"]


def test_texts_that_do_not_fit_are_counted_before_training():
    p = compile(Source("m.dl", SPEC.replace("x -> dense", "x[::2] -> dense")), facts=DIFFER)
    seen = [np.zeros((n, 8), np.float32) for n in (6, 5, 7, 2)]  # 3, 3, 4 and 1 frames
    texts = [np.array(text) for text in ([0, 1, 2], [0, 0, 1], [1, 1, 2], [3])]
    assert warned(p, ragged(seen, texts)) == [
        "1 of the 4 texts of `y` do not fit into their frames, and do not count: one needs 4, and has 3"
    ]
    assert not warned(p, ragged(seen[2:], texts[2:]))


STORY = """
# The digits of a line, one after the other, without their places.
input  image: float[8, 12]
output text: class(auto, ignore=missing)[4]

image -> conv(24, 3, padding=same) -> relu -> conv(24, 3, padding=same) -> relu -> transpose
      -> dense(text.classes + 1) -> text

data {
  source = npz("lines.npz")
  test = 0.2
}
train {
  loss = ctc(text)
  metrics = [edit_distance, sequence_accuracy]
  optimizer = adam(lr=0.01)
  epochs = 12
}
expect { test.sequence_accuracy >= 0.9 }
"""


def test_a_spec_learns_to_read_lines_and_its_artifact_answers_texts(tmp_path):
    seen, texts = lines(400, 12)
    spelled = np.array([[*LETTERS[text], *[""] * (4 - len(text))] for text in texts])
    images = np.stack(seen).transpose(0, 2, 1)
    np.savez(tmp_path / "lines.npz", image=images, text=spelled)
    (tmp_path / "lines.dl").write_text(STORY)
    trained = dlc.train(tmp_path / "lines.dl", out=tmp_path / "runs")
    assert trained.figures["test"]["sequence_accuracy"] >= 0.9
    artifact = dlc.load(trained.folder)
    answers = artifact.predict({"image": images})
    assert answers["text"].shape == (400, 12)
    assert answers["text_probabilities"].shape == (400, 12, 6)
    read = ["".join(row) for row in answers["text"]]
    assert np.mean([a == "".join(b) for a, b in zip(read, spelled, strict=True)]) >= 0.9


@pytest.mark.slow
def test_columns_of_text_are_read_from_recordings_of_any_length(tmp_path):
    """Text is cut into characters, and answers are joined."""
    seen, texts = lines(300)
    spelled = ["".join(LETTERS[text]) for text in texts]
    pq.write_table(pa.table({"x": [x.tolist() for x in seen], "y": spelled}), tmp_path / "lines.parquet")
    text = SPEC.replace("class(5)", "class(auto)").replace("epochs = 6", "epochs = 25")
    (tmp_path / "lines.dl").write_text(f'{text}data {{ source = parquet("lines.parquet") }}\n')
    trained = dlc.train(tmp_path / "lines.dl", out=tmp_path / "runs")
    answers = dlc.load(trained.folder).predict({"x": seen})["y"]
    edits = EditDistance()([*answers], spelled).item()
    assert edits == pytest.approx(trained.figures["train"]["edit_distance"])
    assert edits < 0.5
