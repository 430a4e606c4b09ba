"""Warnings about features on very different scales, which need the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dlc

HEAD = "input small: float[2]\ninput large: float\noutput y: float\n"
FLOW = "(small, large) -> concat -> {}dense(1) -> y{}\ntrain {{ epochs = 1 }}\n"


def rows(factor: float) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "small": rng.normal(size=(40, 2)).astype(np.float32),
        "large": (factor * rng.normal(size=40)).astype(np.float32),
        "y": rng.normal(size=40).astype(np.float32),
    }


def warned(text: str, factor: float, folder: Path) -> list[tuple[str, int]]:
    found = dlc.train(text=text, data=rows(factor), out=folder).warnings
    return [(d.code, d.line or 0) for d in found]


@pytest.mark.parametrize(
    ("before", "after", "factor", "expected"),
    [
        ("", "", 1000, [("W0701", 4)]),
        ("", "", 0.001, [("W0701", 4)]),
        ("", "", 10, []),
        ("standardize -> ", "", 1000, []),
        ("batchnorm -> ", "", 1000, []),
        ("", "  # allow W0701: to show what happens", 1000, []),
        ("", "", 0, [("W0702", 2)]),  # a constant feature has no scale
    ],
)
def test_scales(before: str, after: str, factor: float, expected: list, tmp_path: Path) -> None:
    text = HEAD + FLOW.format(before, after)
    assert dlc.compile(text=text).compiled.warnings == (), "nothing is known before the data is read"
    assert warned(text, factor, tmp_path) == expected


def test_the_features_are_named_after_their_columns(tmp_path: Path) -> None:
    text = (
        "input chemistry: float[13]\noutput grower: class(3)\nchemistry -> dense(3) -> grower\n"
        'data { source = builtin("wine") }\ntrain { epochs = 1 }\n'
    )
    (found,) = dlc.train(text=text, out=tmp_path).warnings
    assert "`proline` deviates by 314" in found.message
    assert "standardize" in found.help


def test_an_allowed_warning_needs_a_reason() -> None:
    text = HEAD + FLOW.format("", "  # allow W0701")
    assert [d.code for d in dlc.compile(text=text).compiled.warnings] == ["W0002"]


def messages(text: str, data: dict[str, np.ndarray] | None, folder: Path) -> list[str]:
    found = dlc.train(text=f"{text}\ntrain {{ epochs = 1 }}\n", data=data, out=folder).warnings
    return [d.message.partition("different scales: ")[2] for d in found]


@pytest.mark.parametrize("before", ["image -> flatten", "image / 16 -> flatten"])
def test_sparse_pixels_are_on_the_scale_of_the_others(before: str, tmp_path: Path) -> None:
    text = (
        "input image: float[8, 8]\noutput digit: class(10)\n"
        f'{before} -> dense(10) -> digit\ndata {{ source = builtin("digits") }}'
    )
    assert messages(text, None, tmp_path) == []


def test_features_of_a_mean_over_steps_have_no_step_name(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3, 2)).astype(np.float32) * np.float32([1, 1000])
    text = "input x: float[T, 2]\noutput y: float\nmean(x, axis=0) -> dense(1) -> y"
    (only,) = messages(text, {"x": x, "y": x[:, 0, 0]}, tmp_path)
    assert only.startswith("`mean[1]` deviates by")


def test_a_rare_class_is_on_a_scale_with_numbers(tmp_path: Path) -> None:
    text = (
        "input kind: class(4)\ninput size: float\noutput y: float\n"
        "(one_hot(kind), 20 * size) -> concat -> dense(1) -> y"
    )
    size = rows(1)["large"]
    kind = np.array([1, 2, *[0] * 38])
    assert messages(text, {"kind": kind, "size": size, "y": rows(1)["y"]}, tmp_path) == []


def test_two_layers_with_the_same_operand_are_reported_once(tmp_path: Path) -> None:
    text = (
        "input small: float[2]\ninput large: float\noutput y: float\noutput z: float = y\n"
        "h = (small, large) -> concat -> dropout(0.1)\nh -> dense(1) -> y\nh -> dense(1) -> z"
    )
    (only,) = messages(text, rows(1000), tmp_path)
    assert only.startswith("`large` deviates by")
    assert "`small[" in only


@pytest.mark.parametrize(
    ("type", "first", "axis", "widest"),
    [("float[5, 2]", "dense(3)", 2, "`x[..., 1]`"), ("float[2, 4, 4]", "conv(3, 2)", 1, "`x[1]`")],
)
def test_features_of_sequences_and_channels_of_images(type, first, axis, widest, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, *(int(n) for n in type[6:-1].split(", ")))).astype(np.float32)
    scale = np.array([1, 1000], np.float32).reshape([2 if a == axis else 1 for a in range(x.ndim)])
    data = {"x": x * scale, "y": x.reshape(40, -1)[:, 0]}
    text = f"input x: {type}\noutput y: float\nx -> {{}}{first} -> flatten -> dense(1) -> y"
    (only,) = messages(text.format(""), data, tmp_path)
    assert only.startswith(widest)
    assert messages(text.format("standardize -> "), data, tmp_path) == []
