"""Lints about attention: positions, the next step, narrow heads, warm-up. Each suspicious spec gives one
warning, and its fix removes the warning. Each intended spec gives none."""

from __future__ import annotations

import pytest
from specs import codes

WORDS = "input words: class(50)[T]\noutput y: class(3)\nwords -> embedding(32) -> "
CODE = "input code: class(26)[12]\noutput y: class(3)\n"
IMAGE = "input image: uint8[3, 32, 32]\noutput y: class(3)\n"
PATCHES = "steps = image / 255 -> conv(32, 4, stride=4) -> reshape(32, -1) -> transpose\n"
HEAD = " -> mean(axis=0) -> dense(3) -> y\n"
TABLE = "input x: float[24, 4]\noutput y: float\n"
NUMBER = " -> mean(axis=0) -> dense(1) -> y\n"
WINDOWS = 'data { source = csv("sensors.csv", window=24) }\n'
SERIES = 'data { source = csv("sensors.csv", series="id") }\n'
BOOK = "input seen: class(auto)[T]\noutput next: class(auto)[T]\nseen -> embedding(32) -> "
PLACED = BOOK + "position_embedding(32) -> "
NEXT = ' -> dense(next.classes) -> next\ndata { source = text("book.txt", window=32) }\n'
NORMED = "residual(layernorm -> attention(4)) -> residual(layernorm -> dense(32))"
POST = (
    "block layer(x) {\n  h = x -> residual(attention(4) -> dropout(0.1)) -> layernorm\n"
    "  return h -> residual(dense(64) -> relu -> dense(32)) -> layernorm\n}\n"
    f"{WORDS}position_embedding(90) -> repeat(6, layer){HEAD}"
)
ANSWER = (
    "input words: class(50)[T]\noutput y: class(50)[T]\n"
    "h = shift(y.target) -> embedding(32) -> sinusoidal_position -> {} -> dense(50)\n"
    "words -> embedding(50) -> y\ntrain {{ loss = cross_entropy(h, y.target) + cross_entropy(y) }}\n"
)

SUSPICIOUS = {
    # --- positions
    "words in no order": ("W0417", WORDS + "attention(4)" + HEAD),
    "words in no order before a sum": ("W0417", WORDS + NORMED + HEAD),
    "deep": ("W0417", WORDS + f"repeat(3, {NORMED})" + HEAD),
    "letters of a code": ("W0417", CODE + "code -> one_hot -> dense(16) -> relu -> attention(2)" + HEAD),
    "causal": ("W0417", BOOK + "attention(4, causal=true)" + NEXT),
    "query, key and value": (
        "W0417", CODE + "h = code -> embedding(32)\nattention(h, h, h, heads=4)" + HEAD),
    "beside a class token": (
        "W0417", CODE + "weight token: float[1, 32] = normal(0.02)\n"
        "concat(token, code -> embedding(32), axis=0) -> attention(4)" + HEAD),
    "windows of sensors": (
        "W0417", TABLE + "x -> standardize -> dense(32) -> attention(4)" + NUMBER + WINDOWS),
    "series of sensors": (
        "W0417", TABLE.replace("24", "T") + "x -> dense(32) -> attention(4)" + NUMBER + SERIES),
    "patches of a window": (
        "W0417", TABLE.replace("24, 4", "24") + "(x - mean(x)) / 3 -> reshape(6, 4) -> dense(32) -> "
        "attention(4)" + NUMBER + WINDOWS),
    "patches of a picture": ("W0417", IMAGE + PATCHES + "steps -> layernorm -> attention(4)" + HEAD),
    "patches and a class token": (
        "W0417", IMAGE + PATCHES + "weight token: float[1, 32] = normal(0.02)\n"
        "h = concat(token, steps, axis=0) -> residual(layernorm -> attention(4))\nh[0] -> dense(3) -> y\n"),
    # --- the next step
    "a text model that sees ahead": ("W0418", PLACED + "attention(4)" + NEXT),
    "a deep one": ("W0418", PLACED + f"repeat(3, {NORMED})" + NEXT),
    "a window around each step": ("W0418", BOOK + "attention(4, window=3)" + NEXT),
    "the shifted answer": ("W0418", ANSWER.format("attention(4)")),
    # --- heads
    "narrow heads": ("W0419", TABLE + "x -> dense(32) -> attention(8)" + NUMBER),
    "few features": ("W0419", TABLE + "x -> attention(2)" + NUMBER),
    "heads of a picture": (
        "W0406", IMAGE + "image / 255 -> conv(32, 3) -> relu -> attention(2) -> flatten -> dense(3) -> y\n"),
    # --- warm-up
    "post-norm": ("W0420", POST + "train { epochs = 3 }"),
    "post-norm, decaying": ("W0420", POST + "train {\n  optimizer = adamw(lr=1e-3)\n  schedule = cosine\n}"),
}  # fmt: skip

FIXED = {
    "words in no order": ("embedding(32)", "embedding(32) -> sinusoidal_position"),
    "words in no order before a sum": ("embedding(32)", "embedding(32) -> position_embedding(100)"),
    "deep": ("attention(4)", "attention(4, rotary=10000)"),
    "letters of a code": ("attention(2)", "position_embedding(12) -> attention(2)"),
    "causal": ("attention(4,", "sinusoidal_position -> attention(4,"),
    "windows of sensors": ("attention(4)", "position_embedding(24) -> attention(4)"),
    "a text model that sees ahead": ("attention(4)", "attention(4, causal=true)"),
    "a deep one": ("attention(4)", "attention(4, causal=true)"),
    "a window around each step": ("4, window=3", "4, causal=true, window=3"),
    "the shifted answer": ("attention(4)", "attention(4, causal=true)"),
    "narrow heads": ("attention(8)", "attention(heads=4)"),
    "few features": ("x -> attention", "x -> dense(16) -> attention"),
    "heads of a picture": (
        "-> attention",
        "-> reshape(32, -1) -> transpose -> attention",
    ),
    "post-norm": ("epochs = 3", "schedule = cosine(warmup=500)"),
    "post-norm, decaying": ("schedule = cosine", "schedule = linear(warmup=100)"),
}

INTENDED = {
    # --- positions
    "a weight for each step": (
        CODE + "weight places: float[12, 16] = normal(0.02)\n"
        "(code -> embedding(16)) + places -> attention(2)" + HEAD),
    "a recurrent layer": WORDS + "gru(32) -> attention(4)" + HEAD + "train { clip = norm(1) }",
    "a convolution": WORDS + "transpose -> conv(32, 3, padding=same) -> transpose -> attention(4)" + HEAD,
    "a shift": CODE + "h = code -> embedding(32)\nh + shift(h) -> attention(4)" + HEAD,
    "running sums": WORDS + "cumsum(axis=0) -> attention(4)" + HEAD,
    "a window of steps": WORDS + "attention(4, window=3)" + HEAD,
    "rotated by hand": WORDS + "rotary -> attention(4)" + HEAD,
    "scores by distance": (
        CODE.replace("12", "3") + "weight near: float[3, 3] = zeros\n"
        "code -> embedding(16) -> attention(2, scores=near)" + HEAD),
    "nodes of a graph": (
        "input bonds: bool[T, T]\n" + WORDS + "attention(4, mask=reshape(bonds, 1, T, T))" + HEAD),
    "a set of vectors": TABLE.replace("24", "N") + "x -> dense(32) -> attention(4)" + NUMBER,
    "columns of a table": (
        TABLE.replace("24, 4", "5")
        + "weight scale: float[5, 16] = normal(0.3)\nweight offset: float[5, 16] = normal(0.3)\n"
        "reshape(x, 5, 1) * scale + offset -> attention(2)" + NUMBER),
    "latent queries": (
        "weight latents: float[4, 32] = normal(0.02)\n" + CODE
        + "attention(latents, code -> embedding(32), heads=4)" + HEAD),
    "the time as a feature": (
        "input time: float[12, 1]\n" + CODE
        + "concat(code -> embedding(31), time, axis=-1) -> attention(4)" + HEAD),
    "parts of a mean": WORDS + "mean(axis=0) -> reshape(2, 16) -> attention(2)" + HEAD,
    "places of patches": IMAGE + PATCHES + "steps -> position_embedding(64) -> attention(4)" + HEAD,
    "a weight for each patch": (
        IMAGE + PATCHES + "weight places: float[64, 32] = normal(0.02)\n"
        "steps + places -> attention(4)" + HEAD),
    "patches that overlap": (
        IMAGE + PATCHES.replace("conv(32, 4, stride=4)", "conv(32, 3, padding=1) -> maxpool(4)")
        + "steps -> attention(4)" + HEAD),
    "patches of what a convolution saw": (
        IMAGE + PATCHES.replace("conv(32", "conv(8, 3, padding=1) -> relu -> conv(32")
        + "steps -> attention(4)" + HEAD),
    # --- the next step
    "the words of a tagger": (
        "input words: class(50)[T]\noutput tags: class(7)[T]\nwords -> embedding(32) -> sinusoidal_position "
        '-> attention(4) -> dense(7) -> tags\ndata { source = csv("tags.csv") }'),
    "a mask written by hand": (
        (PLACED + "attention(4, mask=[[true, false], [true, true]])" + NEXT).replace("[T]", "[2]")),
    "masked words": (
        "input draw: float[T]\ninput seen: class(auto)[T]\noutput next: class(auto)[T]\n"
        "h = (seen -> embedding(32)) * reshape(draw > 0.15, -1, 1) -> sinusoidal_position -> attention(4)\n"
        "guessed = h -> dense(seen.classes)\nseen -> embedding(next.classes) -> next\n"
        'data {\n  source = text("book.txt", window=32)\n  draw = uniform()\n}\n'
        "train { loss = cross_entropy(next) + cross_entropy(guessed, seen) }"),
    "memory of the shifted answer": ANSWER.format("attention(words -> embedding(32), 4)"),
    # --- heads
    "heads of 8": TABLE + "x -> dense(32) -> attention(4)" + NUMBER,
    "one head": TABLE + "x -> attention(1)" + NUMBER,
    # --- warm-up
    "a rate that rises": POST + "train {\n  optimizer = adam(lr=1e-4)\n  schedule = one_cycle(1e-3)\n}",
    "an optimizer that warms up": POST + "train { optimizer = radam(lr=1e-3) }",
    "few blocks": POST.replace("repeat(6", "repeat(3") + "train { epochs = 3 }",
    "pre-norm": WORDS + f"position_embedding(90) -> repeat(6, {NORMED}) -> layernorm" + HEAD
                + "train { epochs = 3 }",
    "trained elsewhere": POST + 'train { weights = load("bert.safetensors") }',
    "not trained": POST,
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_warns_once(name: str) -> None:
    code, text = SUSPICIOUS[name]
    assert codes(text) == [code]


@pytest.mark.parametrize("name", FIXED)
def test_the_fix_silences_it(name: str) -> None:
    old, new = FIXED[name]
    text = SUSPICIOUS[name][1]
    assert old in text
    assert codes(text.replace(old, new)) == []


@pytest.mark.parametrize("name", INTENDED)
def test_it_is_silent(name: str) -> None:
    assert codes(INTENDED[name]) == []
