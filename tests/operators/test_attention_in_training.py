"""Attention of rows that differ in length, against each row alone, also without any steps; and in training:
dropout, second derivatives, weights tied with the embedding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attending import Flow, by_hand, normal

import dlc
from dlc.compiler import Source, compile
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.session import open_session

X = "input x: float[T, 8]\n"
PAIR = "input x: float[T, 8]\ninput m: float[S, 6]\n"

# --- lengths ----------------------------------------------------------------------------------------------

LENGTHS = [6, 0, 1, 4, 6]
SELF = ["", "causal=true", "window=2", "causal=true, window=2", "kv_heads=1, rotary=100"]


def rows_of(found: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    return [row[:length] for row, length in zip(found, lengths, strict=True)]


@pytest.mark.parametrize("settings", SELF)
def test_each_row_is_answered_as_alone(settings: str) -> None:
    """Whatever stands in the padding; the answers of steps that are none are 0."""
    text = f"{X}y = x -> attention(2, {settings})\n".replace(", )", ")")
    flow, x = Flow(text, lengths=("T",)), normal(len(LENGTHS), 6, 8)
    alone = Flow(text, flow.weights)
    for row, length in enumerate(LENGTHS):
        x[row, length:] = np.nan
    wanted = [alone.torch({"x": x[row : row + 1, :n]})[0] for row, n in enumerate(LENGTHS)]
    feed = {"x": x, "x_length": np.array(LENGTHS)}
    for engine, found in flow.answers(feed).items():
        for row, (have, want) in enumerate(zip(rows_of(found, LENGTHS), wanted, strict=True)):
            np.testing.assert_allclose(have, want, atol=2e-5, err_msg=f"{engine}, row {row}")
            assert not found[row, LENGTHS[row] :].any()


@pytest.mark.parametrize("memory", [[7, 0, 1, 3, 0], [7, 7, 7, 7, 7], [0, 0, 0, 0, 0]])
def test_a_memory_without_steps_leaves_the_bias(memory: list[int]) -> None:
    flow, batch = Flow(f"{PAIR}y = x -> attention(m, 2)\n", lengths=("T", "S")), len(memory)
    x, m = normal(batch, 6, 8), normal(batch, max(memory), 6, seed=1)
    feed = {"x": x, "m": m, "x_length": np.array(LENGTHS), "m_length": np.array(memory)}
    for row, length in enumerate(memory):
        m[row, length:] = np.nan
    weights = flow.of("attention")
    wanted = [by_hand(weights, x[r : r + 1, :n], *[m[r : r + 1, : memory[r]]] * 2, 2)[0]
              for r, n in enumerate(LENGTHS)]  # fmt: skip
    for engine, found in flow.answers(feed, openvino=max(memory) > 0).items():
        for row, (have, want) in enumerate(zip(rows_of(found, LENGTHS), wanted, strict=True)):
            np.testing.assert_allclose(have, want, atol=2e-5, err_msg=f"{engine}, row {row}")
            if memory[row] == 0:
                bias = np.broadcast_to(weights["output.bias"], have.shape)
                np.testing.assert_array_equal(have, bias, err_msg=engine)


def test_a_mask_beside_lengths_hides_more() -> None:
    flow = Flow(f"{PAIR}input seen: bool[S]\ny = x -> attention(m, 2, mask=seen)\n", lengths=("S",))
    x, m, lengths = normal(3, 4, 8), normal(3, 5, 6, seed=1), [5, 2, 3]
    seen = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], bool)  # row 1 sees nothing
    allowed = seen & (np.arange(5) < np.array(lengths)[:, None])
    wanted = by_hand(flow.of("attention"), x, m, m, 2, allowed=allowed[:, None, None])
    flow.equals(wanted, {"x": x, "m": m, "seen": seen, "m_length": np.array(lengths)})


@pytest.mark.parametrize("settings", ["", ", causal=true", ", rotary=100"])
def test_gradients_of_a_padded_batch_are_those_of_the_rows(settings: str) -> None:
    text = f"{X}y = x -> attention(2{settings})\n"
    padded, alone = Flow(text, lengths=("T",)), Flow(text)
    x = torch.from_numpy(normal(len(LENGTHS), 6, 8))

    def gradients(flow: Flow, feeds: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        model = flow.module(training=True)
        losses = [(torch.tanh(model(feed)["y"]) * torch.arange(8)).sum() for feed in feeds]
        torch.stack(losses).sum().backward()
        return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}

    found = gradients(padded, [{"x": x, "x_length": torch.tensor(LENGTHS)}])
    wanted = gradients(alone, [{"x": x[r : r + 1, :n]} for r, n in enumerate(LENGTHS) if n])
    assert found.keys() == wanted.keys() == padded.weights.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-4, rtol=1e-4)


# --- training ---------------------------------------------------------------------------------------------


def test_dropout_acts_in_training_alone() -> None:
    """Over many draws its mean is the answer without it."""
    flow = Flow(f"{X}y = x -> attention(2, dropout=0.4)\n")
    plain, x = Flow(f"{X}y = x -> attention(2)\n", flow.weights), normal(2, 5, 8)
    wanted = plain.torch({"x": x})
    flow.equals(wanted, {"x": x})
    model = flow.module(training=True)
    torch.manual_seed(0)
    with torch.no_grad():
        draws = torch.stack([model({"x": torch.from_numpy(x)})["y"] for _ in range(2000)]).numpy()
    assert not np.allclose(draws[0], draws[1])
    error = draws.std(0) / np.sqrt(len(draws))
    assert (abs(draws.mean(0) - wanted) < 5 * error + 1e-5).all()


CALLS = ["", ", causal=true", ", rotary=100", ", kv_heads=1", ", mask=[[true], [false], [true]]"]


@pytest.mark.parametrize("settings", CALLS)
def test_a_loss_may_have_derivatives_of_attention(settings: str) -> None:
    """The gradients of such a loss are those that finite differences give."""
    text = f"""
    input x: float[3, 4]
    output y: float
    x -> attention(2{settings}) -> flatten -> dense(1) -> y
    train {{ loss = mean(square(gradient(y, x))) }}
    """
    program = compile(Source("t.dl", text))
    graph = specialize.training(program, program.objective)
    rng = np.random.default_rng(0)
    weights = {
        w.name: (rng.standard_normal(w.value.type.shape) / 2).astype(np.float32) for w in graph.weights
    }
    model = Model(graph, graph.weights, weights).double()
    x = torch.from_numpy(rng.standard_normal((2, 3, 4)))
    model({"x": x})["objective"].backward()
    named = dict(model.named_parameters())
    assert all(torch.isfinite(w.grad).all() for w in named.values() if w.grad is not None)
    for name in ("attention.value.weight", "attention.query.weight", "attention.output.weight"):
        weight, place, step = named[name], (1, 2), 1e-5
        moved = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            moved.append(model({"x": x})["objective"].item())
            with torch.no_grad():
                weight[place] -= sign * step
        assert weight.grad[place].item() == pytest.approx(
            (moved[0] - moved[1]) / (2 * step), rel=1e-3, abs=1e-7
        )


TIED = """
input  seen: class(6)[5]
output next: class(6)[5]

weight table: float[6, 16] = normal(0.02)

h = seen -> embedding(16, weight=table) -> position_embedding(5)
  -> residual(layernorm -> attention(2, causal=true)) -> layernorm
h @ transpose(table) -> next

train {
  optimizer = adam(lr=0.01)
  epochs    = 60
  batch     = 16
}
"""


def test_a_table_is_tied_with_the_last_layer(tmp_path: Path) -> None:
    """The model counts modulo 6 with two steps at a time: the next class is that two places further."""
    starts = np.arange(96)[:, None]
    classes = (starts * 5 + 2 * np.arange(6) + starts // 6) % 6
    run = dlc.train(text=TIED, data={"seen": classes[:, :5], "next": classes[:, 1:]}, out=tmp_path)
    session = open_session(run.model.read_bytes())
    found: Any = session.run(["next"], {"seen": classes[:8, :5]})[0]
    np.testing.assert_array_equal(found[:, 1:], classes[:8, 2:])
    program = dlc.compile(text=TIED)
    names = [name for name, _ in program.torch(mode="train").named_parameters()]
    assert names.count("table") == 1
    assert not [name for name in names if "embedding.weight" in name and "position" not in name]
