"""`translate.dl` and `char_lm.dl`, examples of the language, on data of `specs/data`: they are trained for
a few steps, exported, verified and asked."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import dlc
from dlc.cli import commands

TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS / "syntax" / "examples"
DATA = TESTS.parent / "specs" / "data"


def command(*arguments: object) -> str:
    result = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def trained(name: str, folder: Path, *settings: str) -> Path:
    """The artifact of an example, trained on the files in `folder / "data"`."""
    spec = folder / f"{name}.dl"
    spec.write_bytes((EXAMPLES / spec.name).read_bytes())
    said = command("train", spec, "--out", folder / "runs", *settings)
    assert "torch and ONNX Runtime agree to" in said
    (model,) = {path.resolve() for path in (folder / "runs").rglob("model.onnx")}
    command("verify", model)
    return model


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_spellings_are_answered_with_phonemes(data: Path, tmp_path: Path) -> None:
    with gzip.open(DATA / "pronunciations.csv.gz", "rt", encoding="utf-8") as file:
        lines = [next(file) for _ in range(129)]
    (data / "pronunciations.csv").write_text("".join(lines), "utf-8")
    settings = ("--set", "train.epochs=4", "--set", "train.optimizer=adam(lr=0.01)")
    model = trained("translate", tmp_path, *settings)

    known = {phoneme for row in csv.DictReader(lines) for phoneme in row["phonemes"].split()}
    words = ["whisper", "at", "incomprehensible"]
    asked = tmp_path / "asked.csv"
    asked.write_text("spelling\n" + "\n".join(words) + "\n", "utf-8")
    (title,), *rows = csv.reader(command("predict", model, asked).splitlines())
    answers = [answer for (answer,) in rows]
    assert title == "phonemes" and len(answers) == len(words) and any(answers)
    for answer in answers:
        assert {*answer.split()} <= known
        assert len(answer.split()) <= 32
    alone = [dlc.load(model).predict({"spelling": [word]})["phonemes"][0] for word in words]
    assert [answer.split() for answer in alone] == [answer.split() for answer in answers]


def test_a_text_is_answered_with_the_characters_that_come_next(data: Path, tmp_path: Path) -> None:
    text = (DATA / "manual.txt").read_text("utf-8")[:8_000]
    (data / "shakespeare.txt").write_text(text, "utf-8")
    model = trained("char_lm", tmp_path, "--set", "train.steps=3", "--set", "train.batch=8")

    found = dlc.load(model).predict({"text": [text[:40]]})  # T is free
    chances = found["next_probabilities"]
    assert chances.shape == (1, 40, len({*text}))
    np.testing.assert_allclose(chances.sum(-1), 1, atol=1e-5)
    assert list(found["next"][0]) == [sorted({*text})[k] for k in chances[0].argmax(-1)]
    assert not {*found["next"][0]} - {*text}
    longer = dlc.load(model).predict({"text": [text[:41]]})["next_probabilities"]
    np.testing.assert_allclose(longer[:, :40], chances, atol=1e-6)  # the past alone counts
