"""What only the rows can tell: features on very different scales."""

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
    ("before", "behind", "factor", "told"),
    [
        ("", "", 1000, [("W0701", 4)]),
        ("", "", 0.001, [("W0701", 4)]),
        ("", "", 10, []),
        ("standardize -> ", "", 1000, []),
        ("batchnorm -> ", "", 1000, []),
        ("", "  # allow W0701: to show what happens", 1000, []),
        ("", "", 0, []),  # a feature that never varies has no scale
    ],
)
def test_scales(before: str, behind: str, factor: float, told: list, tmp_path: Path) -> None:
    text = HEAD + FLOW.format(before, behind)
    assert dlc.compile(text=text).compiled.warnings == (), "nothing is known before the data is read"
    assert warned(text, factor, tmp_path) == told


def test_the_features_are_named_after_their_columns(tmp_path: Path) -> None:
    text = (
        "input chemistry: float[13]\noutput grower: class(3)\nchemistry -> dense(3) -> grower\n"
        'data { source = builtin("wine") }\ntrain { epochs = 1 }\n'
    )
    (found,) = dlc.train(text=text, out=tmp_path).warnings
    assert "`proline` deviates by 314" in found.message
    assert "standardize" in found.help


def test_an_allowance_of_the_data_wants_a_reason() -> None:
    text = HEAD + FLOW.format("", "  # allow W0701")
    assert [d.code for d in dlc.compile(text=text).compiled.warnings] == ["W0002"]
