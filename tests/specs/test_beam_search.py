"""Beam search against greedy decoding, with the weights of a golden spec after some of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import dlc
from dlc.cli.emit import with_classes
from dlc.compiler.lower.onnx import serialize
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.artifact.write import onnx_model
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data.sequences.ragged import Ragged

SPEC = Path(__file__).parents[2] / "specs" / "pronounce_gru.dl"


def program_of(decode: str) -> CompiledProgram:
    return with_classes(dlc.compile(SPEC, params={"export.decode": f"{decode}, max=20)"}))


def artifact(decode: str, weights: Mapping[str, np.ndarray]) -> bytes:
    program = program_of(decode)
    return serialize(onnx_model(program, specialize.inference(program), weights, {}))


def spelled(rows: Ragged, names: tuple[str, ...]) -> Iterator[list[str]]:
    """The names of the classes of each row, without the end, whose name is empty."""
    for start, length in zip(rows.starts, rows.lengths, strict=True):
        yield [names[k] for k in rows.values[start : start + length] if names[k]]


def share_right(model: bytes, words: list[list[str]], sounds: list[list[str]]) -> float:
    """Of the words, the share of which the whole answer is right; each batch has words of one length."""
    session, right = open_session(model), 0
    for length in {*map(len, words)}:
        rows = [k for k, word in enumerate(words) if len(word) == length]
        said = run(session, {"spelling": np.array([words[k] for k in rows], object)})["phonemes"]
        right += sum([*filter(None, row)] == sounds[k] for k, row in zip(rows, said, strict=True))
    return right / len(words)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_answers_of_beam_search_are_right(tmp_path: Path) -> None:
    weights = dlc.train(SPEC, params={"train.epochs": 3}, out=tmp_path).weights
    program, data = program_of("greedy(phonemes"), open_data(dlc.compile(SPEC), None)
    assert data.test is not None
    names = program.inputs[0].declared.classes.names, program.output("phonemes").declared.classes.names
    words = [*spelled(data.test["spelling"], names[0])]
    sounds = [*spelled(data.test["phonemes"], names[1])]
    greedy, beam, single = (
        share_right(artifact(decode, weights), words, sounds)
        for decode in ("greedy(phonemes", "beam(phonemes, width=4", "beam(phonemes, width=1")
    )
    assert greedy == single
    assert beam >= greedy + 0.004
