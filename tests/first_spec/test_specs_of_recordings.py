"""`dlc new` for folders of recordings: tones, and digits said by voices which training does not hear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image

import dlc
from dlc.cli import commands

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
PITCHES = {"low": 300, "a high one": 1200}


def tone(path: Path, pitch: float, rate: int = 8000, seconds: float = 0.2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(rate * seconds)) / rate
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * time), rate)


def tones(folder: Path, rate: int = 8000, seconds: float = 0.2) -> Path:
    """Eight recordings of each pitch."""
    for name, pitch in PITCHES.items():
        for i in range(8):
            tone(folder / name / f"{i}.wav", pitch + 10 * i, rate, seconds)
    return folder


def new(folder: Path, *options: str) -> tuple[str, str]:
    """The text of the spec, and the notes."""
    done = CliRunner().invoke(commands, ["new", str(folder), *options])
    assert done.exit_code == 0, done.output
    spec = folder.with_suffix(".dl")
    assert dlc.compile(spec).compiled.warnings == ()
    assert CliRunner().invoke(commands, ["fmt", "--check", str(spec)]).exit_code == 0
    return spec.read_text("utf-8"), done.stderr


def refused(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(commands, ["new", str(folder), *options])
    assert done.exit_code == 1
    assert "= help: " in done.stderr and not folder.with_suffix(".dl").exists()
    return done.stderr


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    folder = tmp_path / "spoken_digits"
    folder.symlink_to(ROOT / "specs/data/spoken_digits")
    return folder


def test_the_spec_of_spoken_digits_is_the_golden_one(spoken: Path) -> None:
    text, notes = new(spoken)
    assert text == (GOLDEN / "spoken_digits.dl").read_text("utf-8")
    assert notes == ""


@pytest.mark.slow
def test_digits_of_other_voices_are_understood(spoken: Path, tmp_path: Path) -> None:
    new(spoken)
    result = dlc.train(spoken.with_suffix(".dl"), out=tmp_path / "runs")
    assert result.figures["test"]["accuracy"] > 0.85
    assert result.warnings == ()


def test_most_files_decide_the_rate_and_the_shortest_one_the_pooling(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones", rate=11025, seconds=0.5)
    tone(folder / "low/9.flac", 300, rate=44100, seconds=0.03)
    text, notes = new(folder)
    assert (
        'audio("tones", rate=11025)' in text
        and "mel(40, 11025)" in text
        and 'class("a high one", low)' in text
    )
    assert text.count("maxpool") == 1  # of 330 samples, a hop of 128 makes 3 frames
    assert notes == ""
    text, _ = new(tones(tmp_path / "music", rate=44100))
    assert 'audio("music", rate=16000)' in text and text.count("maxpool") == 2


@pytest.mark.slow
def test_a_trained_spec_tells_tones_apart(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    new(folder)
    result = dlc.train(folder.with_suffix(".dl"), params={"train.epochs": 8}, out=tmp_path / "runs")
    tone(tmp_path / "other/new.wav", 350, rate=16000)
    done = CliRunner().invoke(commands, ["predict", str(result.model), str(tmp_path / "other")])
    assert done.exit_code == 0, done.output
    assert "new.wav,low," in done.stdout


@pytest.mark.parametrize("path", ["{group}/{kind}/{i}.wav", "{kind}/{group}/{i}.wav"])
def test_recordings_of_a_speaker_stay_together(path: str, tmp_path: Path) -> None:
    """The folders with fewer names are the classes."""
    for group in range(6):
        for kind, pitch in PITCHES.items():
            for i in range(2):
                tone(tmp_path / "voices" / path.format(group=f"voice {group}", kind=kind, i=i), pitch)
    text, _ = new(tmp_path / "voices")
    kind, group = (2, 1) if path.startswith("{group}") else (1, 2)
    assert f"kind       = path({kind})" in text and f"split      = groups(path({group}))" in text
    assert "stratify" not in text and 'class("a high one", low)' in text


def test_files_that_stop_the_training_are_named(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    (folder / "low/7.wav").write_bytes(b"")
    stops = "cannot be used, and training stops there: "
    assert new(folder)[1].startswith(f"note: 1 recording {stops}low/7.wav is empty\n")
    tone(folder / "low/6.wav", 300, seconds=0.01)
    short = "low/6.wav has 10 ms, less than half a frame"
    assert f"note: 2 recordings {stops}{short}; low/7.wav is empty\n" in new(folder, "--force")[1]
    for i in range(1, 6):
        (folder / f"low/{i}.wav").write_bytes(b"")
    named = "".join(f"low/{i}.wav is empty; " for i in range(1, 6))
    assert f"note: 7 recordings {stops}{named}2 others too\n" in new(folder, "--force")[1]


def test_pictures_beside_recordings(tmp_path: Path) -> None:
    folder = tones(tmp_path / "tones")
    Image.new("L", (4, 4)).save(folder / "low/cover.png")
    text, notes = new(folder)
    assert "Predicts the folder of each of 16 recordings" in text
    assert "tones has 16 recordings and 1 picture: the recordings alone are read" in notes
    folder.with_suffix(".dl").unlink()
    for i in range(5):
        Image.new("L", (4, 4)).save(folder / f"low/{i}.png")
    assert "tones has 16 recordings and 6 pictures" in refused(folder)


def test_folders_without_a_first_spec(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    assert "f is empty" in refused(folder)
    (folder / "notes.md").write_text("words")
    assert "pictures have suffixes such as" in refused(folder)
    (folder / "rows.csv").write_text("a,b\n1,2\n")
    assert "`dlc new f/rows.csv`" in refused(folder)
    for i in range(12):
        tone(folder / f"{i}.wav", 300)
    assert "0.wav is in no folder of a class" in refused(folder)
    assert "leave out --target" in refused(folder, "--target", "kind")


def test_recordings_none_of_which_can_be_read(tmp_path: Path) -> None:
    for i in range(12):
        path = tmp_path / "f" / "ab"[i % 2] / f"{i}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("no sound")
    assert "no recording of f can be read: a/0.wav is no recording that soundfile reads" in refused(
        tmp_path / "f"
    )


def test_a_class_that_training_does_not_have(tmp_path: Path) -> None:
    tones(tmp_path / "tones/train")
    tone(tmp_path / "tones/test/middle/1.wav", 600)
    assert "test has the class middle, and train has none of it" in refused(tmp_path / "tones")
