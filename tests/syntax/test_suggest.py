"""Suggestions for misspelled names."""

from __future__ import annotations

import pytest

import dlc
from dlc.compiler.definitions.aliases import ABSENT
from dlc.compiler.diagnostics.suggest import MAX_COMPARED, Nearest, did_you_mean, nearest

NAMES = [
    "dense",
    "conv",
    "conv_transpose",
    "embedding",
    "lstm",
    "gru",
    "attention",
    "batchnorm",
    "layernorm",
    "relu",
    "flatten",
    "dropout",
    "lr",
    "true",
]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("denze", "dense"),
        ("covn", "conv"),
        ("conv2d", "conv"),
        ("batch_norm", "batchnorm"),
        ("LayerNorm", "layernorm"),
        ("ConvTranspose", "conv_transpose"),
        ("droput", "dropout"),
        ("True", "true"),
        ("ls", "lr"),
        ("x", None),
        ("weight", None),
        ("dense", None),
        ("", None),
        ("a" * 100_000, None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, NAMES) == meant


def test_the_nearest_name_is_suggested_and_then_the_first_in_the_alphabet() -> None:
    assert nearest("relu7", ["relu66", "relu6", "relu"]) == "relu"
    assert nearest("abcd", ["abcx", "abcy"]) == "abcx"


def test_did_you_mean() -> None:
    assert did_you_mean("denze", NAMES) == "did you mean `dense`?"
    assert did_you_mean("quux", NAMES) == ""
    assert did_you_mean("quux", []) == ""


def test_letters_of_other_alphabets_are_named() -> None:
    twin = "dеnse"  # noqa: RUF001
    assert did_you_mean(twin, NAMES) == "write `dense`: it contains `е` (CYRILLIC SMALL LETTER IE)"  # noqa: RUF001
    letter = "`е` (CYRILLIC SMALL LETTER IE)"  # noqa: RUF001
    help = f"there is `{twin}`, which contains {letter}: use the same letters in both"
    assert did_you_mean("dense", [twin]) == help
    assert did_you_mean("größe", ["grosse"]) == ""  # no two of these look alike


@pytest.mark.parametrize("word", ["Threshold", "RReLU", "AdaptiveMaxPool2d", "Acos", "PixelUnshuffle"])
def test_a_name_of_another_library_without_a_counterpart_has_no_suggestion(word: str) -> None:
    with pytest.raises(dlc.CompileError) as error:
        dlc.compile(text=f"input x: float[4]\noutput y: float[4]\nx -> {word} -> y")
    assert [d.help for d in error.value.diagnostics] == [""]
    stages = ["threshold", "relu", "adaptive_avgpool", "cos", "pixel_shuffle"]
    assert word in ABSENT or nearest(word, stages) is None


def test_any_name_of_a_column_can_be_suggested() -> None:
    assert nearest("Threshold", ["threshold_"]) == "threshold_"
    assert nearest("lamb", ["lamp", "price"]) == "lamp"


def test_the_number_of_comparisons_is_limited() -> None:
    near = Nearest()
    assert near.suggestion("denze", lambda: NAMES) == ("dense", "did you mean `dense`?")
    assert near.left == MAX_COMPARED - len(NAMES)
    near.left = 0
    assert near.suggestion("denze", lambda: NAMES) == ("", "")
    assert near.did_you_mean("denze", lambda: NAMES) == ""
