"""`dlc new` for a folder of pictures: digits of scikit-learn as PNG files, and photos of two colours."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.tables import digits as written_digits
from click.testing import CliRunner
from PIL import Image

import dlc
from dlc.cli import commands

GOLDEN = Path(__file__).parent / "golden/digits.dl"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures, and the spec that is written beside it."""
    folder = written_digits(tmp_path_factory.mktemp("pictures") / "digits", range(1797))
    done = CliRunner().invoke(commands, ["new", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_the_spec_of_digits_is_the_golden_one(digits: Path) -> None:
    text = digits.with_suffix(".dl").read_text("utf-8")
    assert text == GOLDEN.read_text("utf-8")
    assert dlc.compile(text=text).compiled.warnings == ()
    assert CliRunner().invoke(commands, ["fmt", "--check", str(digits.with_suffix(".dl"))]).exit_code == 0


@pytest.mark.slow
def test_digits_as_pictures_are_read(digits: Path, tmp_path: Path) -> None:
    result = dlc.train(digits.with_suffix(".dl"), out=tmp_path)
    assert result.figures["test"]["accuracy"] > 0.95
    assert result.warnings == ()


def test_photos_have_colours_and_a_size_between(tmp_path: Path) -> None:
    for name, colour in (("sky", (90, 140, 250)), ("a field", (90, 200, 80))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(8):
            size = (300 + 10 * i, 200)
            Image.new("RGB", size, colour).save(tmp_path / "photos" / name / f"{i}.jpg")
    done = CliRunner().invoke(commands, ["new", str(tmp_path / "photos")])
    assert done.exit_code == 0, done.output
    text = (tmp_path / "photos.dl").read_text("utf-8")
    assert "input  image: uint8[3, 57, 96]" in text and 'class("a field", sky)' in text
    assert "random_flip" in text and dlc.compile(text=text).compiled.warnings == ()


@pytest.mark.parametrize(("files", "told"), [
    (["a.png"], "has 1 picture"), ([f"a/{i}.png" for i in range(12)], "has pictures of one class"),
    ([f"{c}/x/{i}.png" for c in "ab" for i in range(6)], "a/x/0.png is in a folder below that of its class"),
    ([f"{i}.png" for i in range(12)], "0.png is in no folder of a class"),
])  # fmt: skip
def test_folders_that_are_no_classes(files: list[str], told: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / "p" / name)
    done = CliRunner().invoke(commands, ["new", str(tmp_path / "p")])
    assert done.exit_code == 1
    assert told in done.stderr and "= help: " in done.stderr
