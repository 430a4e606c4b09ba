"""Names of weights, and when they are created."""

from __future__ import annotations

import pytest
from specs import VECTOR, files, names, shapes, spec

BLOCK = "block two(a) { return a -> dense(4) -> relu -> dense(4) }\n"
NET = "net critic(a) { return a -> dense(4) -> relu -> dense(4) }\n"

NAMES = {
    "numbered from the second on": ("x -> dense(4) -> dense(4) -> dense(4) -> y", "dense dense_2 dense_3"),
    "operators without weights have no number": (
        "x -> relu -> dense(4) -> relu -> layernorm -> y", "dense layernorm"),
    "a constant weight without bias has no name": (
        "x -> dense(1, weight=[[1, 1, 1, 1]], bias=false) -> dense(4) -> y", "dense"),
    "a constant weight with a trainable bias": (
        "x -> dense(1, weight=[[1, 1, 1, 1]]) -> dense(4) -> y", "dense dense_2"),
    "a block opens a level": (
        BLOCK + "x -> two -> two -> y", "two.dense two.dense_2 two_2.dense two_2.dense_2"),
    "blocks within blocks": (
        BLOCK + "block four(a) { return a -> two -> dense(4) -> two }\nx -> four -> y",
        "four.two.dense four.two.dense_2 four.dense four.two_2.dense four.two_2.dense_2"),
    "a use without weights has no number": (
        ("block maybe(a; on) { if on { return a -> dense(4) }\n return a }\n"
         "x -> maybe(false) -> maybe(true) -> y"),
        "maybe.dense"),
    "repeat opens none": ("x -> repeat(2, dense(4) -> relu) -> dense(4) -> y", "dense dense_2 dense_3"),
    "repeat of none": ("x -> repeat(0, dense(4)) -> dense(4) -> y", "dense"),
    "repeat of a block": (
        BLOCK + "x -> repeat(2, two) -> y", "two.dense two.dense_2 two_2.dense two_2.dense_2"),
    "residual opens none, the stage first": (
        "x -> residual(dense(4), skip=layernorm -> dense(4)) -> y", "dense layernorm dense_2"),
    "each opens none": ("a, b = (x, x) -> each(dense(4))\na + b -> y", "dense dense_2"),
    "branch opens none": (
        "a, b = x -> branch(dense(4), layernorm -> dense(4))\na + b -> y", "dense layernorm dense_2"),
    "if and for open none": (
        "h = x\nif true { h = h -> dense(4) }\nfor i in range(2) { h = h -> dense(4) }\nh -> y",
        "dense dense_2 dense_3"),
    "a named stage is a template": ("f = dense(4) -> relu\nx -> f -> f -> y", "dense dense_2"),
    "a net shares its weights": (NET + "x -> critic -> critic -> y", "critic.dense critic.dense_2"),
    "repeat of a net shares them": (NET + "x -> repeat(3, critic) -> y", "critic.dense critic.dense_2"),
    "an average net has the names of its net": (
        "net slow = average(critic)\n" + NET + "critic(x) -> slow -> slow -> y",
        "critic.dense critic.dense_2 slow.dense slow.dense_2"),
    "an average net may be used first": (
        NET + "net slow = average(critic)\nslow(x) + critic(x) -> y",
        "slow.dense slow.dense_2 critic.dense critic.dense_2"),
    "an average of a net that calls itself": (
        ("net deep(a; n) { if n == 0 { return a }\n return a -> deep(n - 1) -> dense(4) }\n"
         "net slow = average(deep)\nx -> deep(3) -> slow(2) -> y"), "deep.dense slow.dense"),
    "an average net has its own nets and declared weights": (
        (BLOCK + NET + "weight scale: float[4] = ones\n"
         "net whole(a) { return scale * (a -> two -> critic -> two) }\nnet slow = average(whole)\n"
         "whole(x) + slow(x) -> y"),
        ("scale whole.two.dense whole.two.dense_2 critic.dense critic.dense_2 whole.two_2.dense "
         "whole.two_2.dense_2 slow.scale slow.two.dense slow.two.dense_2 slow.critic.dense "
         "slow.critic.dense_2 slow.two_2.dense slow.two_2.dense_2")),
    "a net is named from the top": (
        NET + "block inner(a) { return a -> critic -> dense(4) }\nx -> inner -> inner -> y",
        "critic.dense critic.dense_2 inner.dense inner_2.dense"),
    "a use that owns only a net has no number": (
        NET + "block inner(a; own) { h = a -> critic\n if own { h = h -> dense(4) }\n return h }\n"
        "x -> inner(false) -> inner(true) -> y", "critic.dense critic.dense_2 inner.dense"),
    "a net keeps its name": (NET + "block critics(a) { return a -> dense(4) }\nx -> critics -> critic -> y",
                             "critics.dense critic.dense critic.dense_2"),
    "a net that calls itself": (
        ("net deep(a; n) { h = a -> dense(4)\n if n == 0 { return h }\n return h -> deep(n - 1) }\n"
         "x -> deep(3) -> y"), "deep.dense"),
    "a net that calls itself first": (
        ("net deep(a; n) { if n == 0 { return a }\n return a -> deep(n - 1) -> dense(4) }\n"
         "x -> deep(3) -> deep(2) -> y"), "deep.dense"),
    "a declared weight": ("weight w: float[4] = zeros\nx * w -> dense(4) -> y", "w dense"),
    "a number already taken is skipped": (
        "weight dense_2: float[4] = zeros\nx * dense_2 -> dense(4) -> dense(4) -> y",
        "dense_2 dense dense_3"),
    "a weight of a block is new at every use": (
        "block scaled(a) { weight scale: float[4] = ones\n return a * scale }\nx -> scaled -> scaled -> y",
        "scaled.scale scaled_2.scale"),
    "a weight of a net is one": (
        ("net scaled(a) { weight scale: float[4] = ones\n return a * scale }\n"
         "x -> scaled -> scaled -> y"), "scaled.scale"),
    "a block sees the file's weights": (
        "block scaled(a) { return a * w }\nx -> scaled -> scaled -> y\nweight w: float[4] = ones", "w"),
    "arguments come first, from the left": (
        ("layernorm(x -> dense(4)) + rmsnormed(x) -> y\n"
         "block rmsnormed(a) { return layernorm(a -> dense(4)) }"),
        "dense layernorm rmsnormed.dense rmsnormed.layernorm"),
}  # fmt: skip


@pytest.mark.parametrize("rule", NAMES)
def test_names_of_weights(rule):
    text, expected = NAMES[rule]
    assert names(VECTOR + text) == expected.split()


def test_layouts_are_those_of_pytorch():
    text = (
        "input x: float[3, 8, 8]\noutput y: float[5]\n"
        "x -> conv(4, 3) -> batchnorm -> conv(8, 3, groups=2, bias=false) -> conv_transpose(2, 2) -> "
        "flatten -> dense(5) -> y"
    )
    assert shapes(text) == {
        "conv.weight": (4, 3, 3, 3),
        "conv.bias": (4,),
        "batchnorm.weight": (4,),
        "batchnorm.bias": (4,),
        "batchnorm.running_mean": (4,),
        "batchnorm.running_var": (4,),
        "conv_2.weight": (8, 2, 3, 3),
        "conv_transpose.weight": (8, 2, 2, 2),
        "conv_transpose.bias": (2,),
        "dense.weight": (5, 50),
        "dense.bias": (5,),
    }


def test_fitted_values_are_buffers():
    assert shapes(VECTOR + "x -> standardize -> y") == {"standardize.mean": (4,), "standardize.std": (4,)}


def test_imports_open_no_level():
    other = "block two(a) { return a -> dense(4) -> dense(4) }\nnet one(a) { return a -> dense(4) }"
    text = f'import two, one from "other.dl"\n{VECTOR}x -> two -> one -> one -> y'
    assert list(shapes(text, read=files(other=other)))[::2] == [
        "two.dense.weight",
        "two.dense_2.weight",
        "one.dense.weight",
    ]


def test_nets_of_one_name_in_two_files_do_not_share_weights():
    other = "net part(a) { return a -> dense(4) }\nblock outer(a) { return a -> part }"
    text = (
        f'import outer from "other.dl"\nnet part(a) {{ return a -> dense(4) }}\n'
        f"{VECTOR}x -> outer -> part -> y"
    )
    assert list(shapes(text, read=files(other=other)))[::2] == ["part_2.dense.weight", "part.dense.weight"]


def test_average_nets_are_imported_and_made_of_imported_nets():
    other = (
        "weight table: float[4, 4] = orthogonal\n"
        "net part(a) { return a @ table -> dense(4) }\nnet slow = average(part, decay=rate)\nparam rate = 0.8"
    )
    text = f'import part, slow from "other.dl"\nnet own = average(part, 0.7)\n{VECTOR}'
    text += "part(x) + slow(x) + own(x) -> y"
    program = spec(text, read=files(other=other))
    assert {name: average.decay for name, average in program.averages.items()} == {"slow": 0.8, "own": 0.7}
    assert {w.name: w.follows for w in program.graph.weights if w.follows} == {
        f"{net}.{name}": of
        for net in ("slow", "own")
        for name, of in (("table", "table"), ("dense.weight", "part.dense.weight"),
                         ("dense.bias", "part.dense.bias"))
    }  # fmt: skip


def test_weights_are_tied_by_declaring_them():
    text = "weight table: float[4, 4] = normal(0.02)\nh = x -> dense(4, weight=table, bias=false)\n"
    assert shapes(f"{VECTOR}{text}h @ transpose(table) -> y") == {"table": (4, 4)}
