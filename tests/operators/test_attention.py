"""Attention: against `nn.MultiheadAttention` of torch, attention written in a spec, and a loop in float64;
masks, scores, heads and windows; what sees nothing; in torch, ONNX Runtime, `onnx.reference` and OpenVINO."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from attending import Flow, by_hand, normal
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

X = "input x: float[T, 8]\n"
FIXED = "input x: float[5, 8]\n"
PAIR = "input x: float[T, 8]\ninput m: float[S, 6]\n"
TRIPLE = PAIR + "input v: float[S, 4]\n"
BATCH, STEPS, MEMORY = 3, 5, 7


def theirs(flow: Flow, heads: int, kdim: int = 8, vdim: int = 8) -> nn.MultiheadAttention:
    """The module of torch with the weights of the layer."""
    own = {n: torch.from_numpy(w) for n, w in flow.of("attention").items()}
    bias = "query.bias" in own
    made = nn.MultiheadAttention(8, heads, bias=bias, batch_first=True, kdim=kdim, vdim=vdim)
    state = {
        f"out_proj.{leaf}": own[f"output.{leaf}"] for leaf in ("weight", "bias") if f"output.{leaf}" in own
    }
    if bias:
        state["in_proj_bias"] = torch.cat([own[f"{part}.bias"] for part in ("query", "key", "value")])
    if kdim == vdim == 8:
        state["in_proj_weight"] = torch.cat([own[f"{part}.weight"] for part in ("query", "key", "value")])
    else:
        state |= {f"{part[0]}_proj_weight": own[f"{part}.weight"] for part in ("query", "key", "value")}
    made.load_state_dict(state)
    return made.eval()


def answer(module: nn.MultiheadAttention, *operands: np.ndarray, **settings: Any) -> np.ndarray:
    given = {n: torch.from_numpy(s) if isinstance(s, np.ndarray) else s for n, s in settings.items()}
    with torch.no_grad():
        return module(*map(torch.from_numpy, operands), need_weights=False, **given)[0].numpy()


# --- the module of torch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_self_attention_is_that_of_torch(heads: int, bias: str) -> None:
    flow, x = Flow(f"{X}y = x -> attention({heads}, bias={bias})\n"), normal(BATCH, STEPS, 8)
    flow.equals(answer(theirs(flow, heads), x, x, x), {"x": x})


def test_cross_attention_is_that_of_torch() -> None:
    x, m, v = normal(BATCH, STEPS, 8), normal(BATCH, MEMORY, 6, seed=1), normal(BATCH, MEMORY, 4, seed=2)
    flow = Flow(f"{PAIR}y = x -> attention(m, 2)\n")
    flow.equals(answer(theirs(flow, 2, 6, 6), x, m, m), {"x": x, "m": m})
    flow = Flow(f"{TRIPLE}y = attention(x, m, v, heads=2)\n")
    flow.equals(answer(theirs(flow, 2, 6, 4), x, m, v), {"x": x, "m": m, "v": v})


def test_a_padding_mask_of_torch_is_true_where_it_hides() -> None:
    hidden = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 1, 0, 1]], bool)
    flow, x = (
        Flow(f"{X}input hidden: bool[T]\ny = x -> attention(2, mask=not hidden)\n"),
        normal(BATCH, STEPS, 8),
    )
    flow.equals(answer(theirs(flow, 2), x, x, x, key_padding_mask=hidden), {"x": x, "hidden": hidden})


def test_the_masks_of_torch_for_pairs_and_heads() -> None:
    x = normal(BATCH, STEPS, 8)
    hidden = np.triu(np.ones((STEPS, STEPS), bool), 1)
    flow = Flow(f"{FIXED}input hidden: bool[5, 5]\ny = x -> attention(2, mask=not hidden)\n")
    wanted = answer(theirs(flow, 2), x, x, x, attn_mask=hidden)
    flow.equals(wanted, {"x": x, "hidden": np.stack([hidden] * BATCH)})
    each = np.random.default_rng(3).random((BATCH, 2, STEPS, STEPS)) < 0.4
    each[..., 0] = False
    flow = Flow(f"{FIXED}input hidden: bool[2, 5, 5]\ny = x -> attention(2, mask=not hidden)\n")
    wanted = answer(theirs(flow, 2), x, x, x, attn_mask=each.reshape(-1, STEPS, STEPS))
    flow.equals(wanted, {"x": x, "hidden": each})


def test_a_mask_of_torch_that_is_added_is_scores() -> None:
    x, added = normal(BATCH, STEPS, 8), normal(BATCH, 2, STEPS, STEPS, seed=4)
    added[:, :, :, 2] = -np.inf
    flow = Flow(f"{FIXED}input added: float[2, 5, 5]\ny = x -> attention(2, scores=added)\n")
    wanted = answer(theirs(flow, 2), x, x, x, attn_mask=added.reshape(-1, STEPS, STEPS))
    flow.equals(wanted, {"x": x, "added": added})


# --- written in a spec ------------------------------------------------------------------------------------

WRITTEN = """
input  x: float[T, 8]
block heads(x) { return x -> dense(8) -> reshape(-1, 2, 4) -> transpose(1, 0, 2) }

q = heads(x) -> ROTATED
k = heads(x) -> ROTATED
v = heads(x)
y = (q @ transpose(k) / 2 -> softmax) @ v -> transpose(1, 0, 2) -> reshape(-1, 8) -> dense(8)
"""
PARTS = {"heads": "query", "heads_2": "key", "heads_3": "value"}


@pytest.mark.parametrize("rotary", ["", ", rotary=100"])
def test_attention_written_of_other_operators_gives_the_same_numbers(rotary: str) -> None:
    flow, x = Flow(f"{X}y = x -> attention(2{rotary})\n"), normal(BATCH, STEPS, 8)
    own = {f"{block}.dense.{leaf}": flow.weights[f"attention.{part}.{leaf}"]
           for block, part in PARTS.items() for leaf in ("weight", "bias")}  # fmt: skip
    own |= {f"dense.{leaf}": flow.weights[f"attention.output.{leaf}"] for leaf in ("weight", "bias")}
    written = Flow(WRITTEN.replace("ROTATED", "rotary(100)" if rotary else "identity"), own)
    wanted = flow.torch({"x": x})
    flow.equals(wanted, {"x": x})
    written.equals(wanted, {"x": x})


LOWER = np.tril(np.ones((STEPS, STEPS), bool))
PLACES = np.arange(STEPS)
NEAR = abs(PLACES[:, None] - PLACES) < 3


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ("causal=true", LOWER),
        ("window=3", NEAR),
        ("window=1", np.eye(STEPS, dtype=bool)),
        ("causal=true, window=3", LOWER & NEAR),
        ("causal=true, window=100", LOWER),
    ],
)
def test_causal_and_window_are_masks(settings: str, allowed: np.ndarray) -> None:
    flow, x = Flow(f"{X}y = x -> attention(2, {settings})\n"), normal(BATCH, STEPS, 8)
    masked = Flow(f"{FIXED}input seen: bool[5, 5]\ny = x -> attention(2, mask=seen)\n", flow.weights)
    wanted = masked.torch({"x": x, "seen": np.stack([allowed] * BATCH)})
    flow.equals(wanted, {"x": x})
    np.testing.assert_allclose(by_hand(flow.of("attention"), x, x, x, 2, allowed=allowed), wanted, atol=1e-5)


def test_a_step_of_causal_attention_does_not_depend_on_later_ones() -> None:
    flow, x = Flow(f"{X}y = x -> attention(2, causal=true, rotary=100)\n"), normal(2, 6, 8)
    for engine, run in flow.engines().items():
        whole = run({"x": x})
        for steps in range(1, 6):
            np.testing.assert_allclose(run({"x": x[:, :steps]}), whole[:, :steps], atol=1e-5, err_msg=engine)


@pytest.mark.parametrize("kv_heads", [1, 2])
def test_grouped_heads_are_heads_that_are_repeated(kv_heads: int) -> None:
    flow = Flow(f"{X}y = x -> attention(4, kv_heads={kv_heads}, causal=true)\n")
    own = dict(flow.weights)
    for name in [n for n in own if ".key." in n or ".value." in n]:
        heads = own[name].reshape(kv_heads, 2, *own[name].shape[1:])
        own[name] = heads.repeat(4 // kv_heads, axis=0).reshape(8, *own[name].shape[1:])
    whole, x = Flow(f"{X}y = x -> attention(4, causal=true)\n", own), normal(BATCH, STEPS, 8)
    flow.equals(whole.torch({"x": x}), {"x": x})


def test_rotary_sees_distances_alone() -> None:
    """If all steps move by one, the answers do too: what was read is equally far away."""
    flow = Flow(f"{X}y = x -> attention(2, rotary=100, window=2)\n")
    x = normal(BATCH, STEPS, 8)
    moved = np.concatenate([normal(BATCH, 2, 8, seed=9), x], 1)
    for engine, run in flow.engines().items():
        np.testing.assert_allclose(run({"x": moved})[:, 3:], run({"x": x})[:, 1:], atol=1e-5, err_msg=engine)


# --- masks and scores -------------------------------------------------------------------------------------

SHAPES = [(7,), (5, 7), (1, 7), (5, 1), (2, 1, 7), (2, 5, 7), (1, 5, 7), (2, 5, 1), (2, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("given", ["input", "weight"])
def test_masks_and_scores_of_every_rank(shape: tuple[int, ...], given: str) -> None:
    """Those of each row, and those that are the same for all rows."""
    x, m = normal(BATCH, STEPS, 8), normal(BATCH, MEMORY, 6, seed=1)
    sizes = ", ".join(map(str, shape))
    feed: dict[str, Any] = {"x": x, "m": m}
    added = normal(BATCH, *shape, seed=5) if given == "input" else normal(*shape, seed=5)
    own: dict[str, np.ndarray] = {}
    (feed if given == "input" else own)["s"] = added
    head = f"input x: float[5, 8]\ninput m: float[7, 6]\n{given} s: float[{sizes}]"
    flow = Flow(head + (" = zeros" if given == "weight" else "")
                + "\ny = x -> attention(m, 2, mask=s > -0.5, scores=s)\n", own)  # fmt: skip
    if given == "input":
        added = added.reshape(BATCH, *[1] * (3 - len(shape)), *shape)
    wanted = by_hand(flow.of("attention"), x, m, m, 2, allowed=added > -0.5, scores=added)
    flow.equals(wanted, feed)


@pytest.mark.parametrize("shape", [(3, 2, 5, 5), (3, 1, 1, 5), (1, 2, 5, 5), (2, 5, 5), (5,)])
def test_masks_of_several_sequences_in_a_row(shape: tuple[int, ...]) -> None:
    """Axes before the steps are treated as the batch is, and masks may have them."""
    x, seen = normal(BATCH, 3, STEPS, 8), np.random.default_rng(6).random((BATCH, *shape)) < 0.6
    flow = Flow(f"input x: float[3, 5, 8]\ninput seen: bool[{', '.join(map(str, shape))}]\n"
                "y = x -> attention(2, mask=seen)\n")  # fmt: skip
    allowed = seen.reshape(BATCH, *[1] * (4 - len(shape)), *shape)
    flow.equals(by_hand(flow.of("attention"), x, x, x, 2, allowed=allowed), {"x": x, "seen": seen})


def test_each_sequence_is_read_alone() -> None:
    flow, x = Flow("input x: float[H, T, 8]\ny = x -> attention(2)\n"), normal(2, 4, STEPS, 8)
    alone = Flow(f"{X}y = x -> attention(2)\n", flow.weights)
    flow.equals(np.stack([alone.torch({"x": x[:, k]}) for k in range(4)], 1), {"x": x})


def test_a_learnt_query_reads_a_memory() -> None:
    flow = Flow("input m: float[S, 6]\nweight q: float[3, 8] = zeros\ny = attention(q, m, heads=2)\n")
    m = normal(BATCH, MEMORY, 6)
    query = np.stack([flow.weights["q"]] * BATCH)
    flow.equals(by_hand(flow.of("attention"), query, m, m, 2), {"m": m})


# --- what sees nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kv_heads", [1, 4])
@pytest.mark.parametrize("causal", ["false", "true"])
def test_a_step_that_sees_nothing_gets_the_bias_of_the_output(kv_heads: int, causal: str) -> None:
    settings = f"mask=reshape(seen, -1, 1), kv_heads={kv_heads}, causal={causal}"
    flow = Flow(f"{X}input seen: bool[T]\ny = x -> attention(4, {settings})\n")
    x, seen = normal(BATCH, STEPS, 8), np.ones((BATCH, STEPS), bool)
    seen[0], seen[1, :3] = False, False
    for engine, found in flow.answers({"x": x, "seen": seen}).items():
        blind = found[~seen]
        assert len(blind) == 8
        bias = np.broadcast_to(flow.weights["attention.output.bias"], blind.shape)
        np.testing.assert_array_equal(blind, bias, err_msg=engine)
        assert np.isfinite(found).all()


def test_scores_of_minus_infinity_hide() -> None:
    """Also where they hide all, and where a mask hides the rest."""
    flow = Flow(
        f"{FIXED}input s: float[5]\ninput seen: bool[5]\ny = x -> attention(2, mask=seen, scores=s)\n"
    )
    x, s, seen = normal(BATCH, STEPS, 8), normal(BATCH, STEPS, seed=3), np.ones((BATCH, STEPS), bool)
    s[0], s[1, :3], seen[1, 3:], s[2, 1] = -np.inf, -np.inf, False, -np.inf
    wanted = by_hand(flow.of("attention"), x, x, x, 2, allowed=seen[:, None, None], scores=s[:, None, None])
    flow.equals(wanted, {"x": x, "s": s, "seen": seen})
    bare = Flow(f"{FIXED}input s: float[5]\ny = x -> attention(2, scores=s)\n", flow.weights)
    wanted = by_hand(flow.of("attention"), x, x, x, 2, scores=s[:, None, None])
    bare.equals(wanted, {"x": x, "s": s})


@pytest.mark.parametrize("batch", [1, 3])
def test_scores_of_minus_infinity_that_all_rows_share_hide(batch: int) -> None:
    """Here a query step without neighbours in a graph."""
    edges = np.tril(np.ones((5, 5), np.float32), -1)
    flow = Flow(f"{FIXED}weight e: float[5, 5] = zeros\ny = x -> attention(2, scores=log(e))\n", {"e": edges})
    x = normal(batch, STEPS, 8)
    flow.equals(by_hand(flow.of("attention"), x, x, x, 2, allowed=edges > 0), {"x": x})


@pytest.mark.parametrize("low", [-1e9, -1e38])
def test_a_mask_hides_more_than_low_scores(low: float) -> None:
    """Steps that low scores make unlikely share the weight of a row, and none goes to what is
    hidden. The products are small: beside such scores, float32 has no digits for them."""
    settings = "causal=true, scores=s, mask=s < 1, scale=0.000001"
    flow = Flow(f"{FIXED}input s: float[5]\ny = x -> attention(2, {settings})\n")
    x, s = normal(BATCH, STEPS, 8), np.full((BATCH, STEPS), low, np.float32)
    s[1, 3], s[2, 0] = 0, 2
    allowed = LOWER & (s < 1)[:, None, None]
    wanted = by_hand(flow.of("attention"), x, x, x, 2, allowed=allowed, scores=s[:, None, None],
                     scale=1e-6)  # fmt: skip
    flow.equals(wanted, {"x": x, "s": s})


def test_gradients_are_finite_where_nothing_is_seen() -> None:
    flow = Flow(f"{FIXED}input seen: bool[5, 5]\ny = x -> attention(2, mask=seen)\n")
    seen = torch.rand(BATCH, 5, 5) < 0.5
    seen[0], seen[1, 2] = False, False
    x = torch.from_numpy(normal(BATCH, STEPS, 8)).requires_grad_()
    model = flow.module(training=True)
    model({"x": x, "seen": seen})["y"].square().sum().backward()
    gradients = {"x": x.grad, **{n: w.grad for n, w in model.named_parameters()}}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    assert not x.grad[0].any(), "what is not seen has no gradient"
    assert gradients["attention.query.weight"].any()


# --- settings drawn at random -----------------------------------------------------------------------------


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any], tuple[int, ...]]:
    """A call of self-attention, its settings, and the sizes of batch, sequences and steps."""
    width = draw(st.sampled_from([1, 2, 4]))
    kv_heads = draw(st.sampled_from([1, 2, 3]))
    heads = kv_heads * draw(st.sampled_from([1, 2]))
    more: dict[str, Any] = {"heads": heads, "kv_heads": kv_heads, "width": width}
    more["causal"] = draw(st.booleans())
    more["window"] = draw(st.sampled_from([None, 1, 2, 9]))
    more["rotary"] = draw(st.sampled_from([None, 1.5, 10000])) if width % 2 == 0 else None
    more["scale"] = draw(st.sampled_from([None, 0.1, 1, 3]))
    more["bias"] = draw(st.booleans())
    written = {"heads": heads, "kv_heads": kv_heads, "causal": str(more["causal"]).lower(),
               "window": more["window"], "rotary": more["rotary"], "scale": more["scale"],
               "bias": str(more["bias"]).lower()}  # fmt: skip
    text = ", ".join(f"{name}={value}" for name, value in written.items() if value is not None)
    lead = draw(st.sampled_from([(), (2,)]))
    return text, more, (draw(st.sampled_from([0, 1, 3])), *lead, draw(st.sampled_from([1, 2, 6])))


@settings(deadline=None, max_examples=20)
@given(calls(), st.sampled_from(["", "mask=seen", "scores=s", "mask=seen, scores=s"]), st.booleans())
def test_any_settings_give_the_numbers_of_a_loop(call: Any, masks: str, free: bool) -> None:
    text, more, (batch, *lead, steps) = call
    heads, features = more["heads"], more["heads"] * more["width"]
    size = "T" if free else str(steps)
    axes = ", ".join([*map(str, lead), size, str(features)])
    head = f"input x: float[{axes}]\ninput seen: bool[{size}, {size}]\ninput s: float[{heads}, 1, {size}]\n"
    flow = Flow(f"{head}y = x -> attention({text}{', ' * bool(masks)}{masks})\n")
    rng = np.random.default_rng(8)
    x, seen = normal(batch, *lead, steps, features), rng.random((batch, steps, steps)) < 0.7
    s, inner = normal(batch, heads, 1, steps, seed=2), [1] * len(lead)
    feed = {"x": x} | ({"seen": seen} if "seen" in masks else {}) | ({"s": s} if "scores" in masks else {})
    places = np.arange(steps)
    ahead = places[:, None] - places
    allowed = (ahead >= 0) | (not more["causal"])
    allowed &= abs(ahead) < (more["window"] or steps + 1)
    if "seen" in feed:
        allowed = allowed & seen.reshape(batch, *inner, 1, steps, steps)
    scores = s.reshape(batch, *inner, heads, 1, steps) if "s" in feed else 0.0
    wanted = by_hand(flow.of("attention"), x, x, x, heads, more["kv_heads"], allowed, scores, more["rotary"],
                     more["scale"])  # fmt: skip
    flow.equals(wanted, feed, within=5e-5, openvino=batch > 0)
