"""Messages about folders, patterns and columns of file names, as a user sees them on the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from picture_files import noise, pets, save

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

KINDS = """input photo: uint8[3, 8, 8]
output kind: class({classes})
photo / 255 -> global_avgpool -> dense(2) -> kind
data {{ source = images("{path}") }}
train {{ epochs = 1 }}
"""
FLATS = """input photo: uint8[3, 6, 6]
input rooms: float
output price: float
(photo / 255 -> flatten, rooms) -> concat -> dense(1) -> price
data {{
 source = csv("flats.csv")
 photo = files("path"{root})
}}
train {{ epochs = 1 }}
"""
TONES = """input wave: float[T]
output pitch: class(high, low)
wave -> sum -> dense(2) -> pitch
data { source = audio("tones", rate=8000) }
train { epochs = 1 }
"""
IN_NO_FOLDER = "the picture is in no folder, and the name of its folder fills target `kind`\n"
LEFT_OUT = 'note: 1 other file of pets is left out, because its suffix is not that of pictures: "cat/a.wav"\n'


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


def refused(*arguments: object) -> str:
    """The whole message of an error."""
    done = dlc(*arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    return done.stderr.strip("\n") + "\n"


def fields(text: str) -> list[str]:
    """The first cell of each answer."""
    return [line.partition(",")[0] for line in text.splitlines()[1:]]


def hint(message: str) -> str:
    return message.partition("= help: ")[2].strip()


def files(folder: Path) -> None:
    """Four photos of two pets, recordings of two pitches, and a table of flats with their photos."""
    pets(folder / "pets", 2)
    (folder / "tones" / "low").mkdir(parents=True)
    (folder / "tones" / "high").mkdir()
    for number, pitch in enumerate(("low", "high") * 2):
        soundfile.write(folder / "tones" / pitch / f"{number}.wav", np.full(80, 0.1 * number), 8_000)
    for number in range(4):
        save(folder / "photos" / f"{number}.png", noise(number, 6, 6, 3))
    rows = "".join(f"{number}.png,{number},{number}\n" for number in range(4))
    (folder / "flats.csv").write_text(f"path,rooms,price\n{rows}")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of a model of pictures, one of pictures and a number, and one of recordings."""
    folder = tmp_path_factory.mktemp("models")
    files(folder)
    kinds = KINDS.format(classes="cat, dog", path="pets")
    for name, spec in (("kinds", kinds), ("flats", FLATS.format(root=', root="photos"')), ("tones", TONES)):
        (folder / f"{name}.dl").write_text(spec)
        done = dlc("train", folder / f"{name}.dl", "--out", folder / "runs")
        assert done.exit_code == 0, done.output
    return folder / "runs"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- folders ----------------------------------------------------------------------------------------------


def test_a_picture_for_a_model_that_also_needs_a_number(models: Path, folder: Path) -> None:
    assert refused("predict", models / "flats/latest", "photos/3.png") == (
        "error[E0706]: photos/3.png: the model also needs `rooms`\n"
        "  = help: give it a table: a column of file names, and one with `rooms`\n"
    )
    assert refused("predict", models / "flats/latest", "photos") == (
        "error[E0706]: photos, 0.png: the model also needs `rooms`\n"
        "  = also 1.png, 2.png, 3.png\n"
        "  = help: give it a table: a column of file names, and one with `rooms`\n"
    )
    (folder / "photos" / "rows.csv").write_text("file,rooms\n3.png,2\n")
    help = hint(refused("predict", models / "flats/latest", "photos/rows.csv"))
    assert help == 'name the picture of each row in a column "photo", relative to the folder of the table'
    (folder / "photos" / "rows.csv").write_text("photo,rooms\n3.png,2\n")
    assert len(fields(dlc("predict", models / "flats/latest", "photos/rows.csv").stdout)) == 1


def test_pictures_in_no_folder_of_a_class(models: Path, folder: Path) -> None:
    (folder / "spec.dl").write_text(KINDS.format(classes="cat, dog", path="pets/cat"))
    assert refused("data", "spec.dl") == (
        f"error[E0706]: pets/cat, 0.png: {IN_NO_FOLDER}"
        " --> spec.dl:2:8\n"
        "  |\n"
        "2 | output kind: class(cat, dog)\n"
        "  |        ^^^^ `kind` is class\n"
        "...\n"
        '4 | data { source = images("pets/cat") }\n'
        '  |                 ^^^^^^^^^^^^^^^^^^ read here\n'
        "  |\n"
        "  = also 1.png\n"
        "  = help: name the folder above pets/cat: it has a folder for each class\n"
    )  # fmt: skip
    assert refused("eval", models / "kinds/latest", "pets/cat/0.png") == (
        f"error[E0706]: pets/cat/0.png: {IN_NO_FOLDER}"
        "  = help: name a folder that has a folder for each class\n"
    )
    assert refused("eval", models / "kinds/latest", "pets/cat/*.png") == (
        f"error[E0706]: pets/cat/*.png, 0.png: {IN_NO_FOLDER}"
        "  = also 1.png\n"
        "  = help: let the pattern match the folder of each class too, such as `pets/*/*.png`\n"
    )
    assert dlc("eval", models / "kinds/latest", "pets").exit_code == 0
    assert dlc("eval", models / "kinds/latest", "pets/*/*.png").exit_code == 0


def test_files_of_the_other_kind(models: Path, folder: Path) -> None:
    pictures = "input `photo` takes pictures: it is uint8[3, 8, 8]"
    said = {
        ("kinds", "tones/low/0.wav"): f"is a recording, and {pictures}",
        ("kinds", "tones/*/*.wav"): f"has recordings, and {pictures}",
        ("kinds", "tones/*/*"): f"has recordings, and {pictures}",
        ("tones", "pets/cat/0.png"): "is a picture, and input `wave` takes recordings: it is float[T]",
    }  # fmt: skip
    for (model, path), what in said.items():
        assert refused("predict", models / model / "latest", path) == f"error[E0703]: {path} {what}\n"
    said = refused("predict", models / "kinds/latest", "tones")
    named = '"high/1.wav", "high/3.wav", "low/0.wav"'
    assert said.strip() == f"error[E0708]: tones holds no pictures, but 4 other files: {named}"


def test_other_files_of_a_folder_are_counted(models: Path, folder: Path) -> None:
    """By every command that reads the folder, in memory and in pieces."""
    os.link("tones/low/0.wav", "pets/cat/a.wav")
    (folder / "spec.dl").write_text(KINDS.format(classes="cat, dog", path="pets"))
    model = models / "kinds/latest"
    reading = [("data", "spec.dl"), ("data", "spec.dl", "--memory", "1KB"), ("eval", model, "pets"),
               ("predict", model, "pets"), ("predict", model, "pets", "--memory", "1KB")]  # fmt: skip
    for command in reading:
        done = dlc(*command)
        assert (done.exit_code, done.stderr.count(LEFT_OUT)) == (0, 1), (command, done.output)
    (folder / "pets" / "b.txt").touch()
    (folder / "pets" / "dog" / "c.csv").touch()
    (folder / "pets" / "dog" / "d.npz").touch()
    assert dlc("predict", model, "pets").stderr == (
        "note: 4 other files of pets are left out, because their suffixes are not those of pictures: "
        '"b.txt", "cat/a.wav", "dog/c.csv" and more\n'
    )


def test_a_file_is_named_once(models: Path, folder: Path) -> None:
    (folder / "e.png").touch()
    assert refused("predict", models / "kinds/latest", "e.png") == "error[E0702]: e.png: the file is empty\n"
    (folder / "e.wav").write_bytes((folder / "tones/low/0.wav").read_bytes()[:100])
    assert refused("predict", models / "tones/latest", "e.wav").startswith(
        "error[E0702]: e.wav: the file ends too early: "
    )


def test_files_are_named_where_rows_have_no_numbers(folder: Path) -> None:
    (folder / "spec.dl").write_text(KINDS.format(classes="cat, cow", path="pets"))
    assert "\n  = also dog/1.png\n" in refused("data", "spec.dl")


# --- patterns ---------------------------------------------------------------------------------------------


def test_a_pattern_takes_the_pictures_that_match(models: Path, folder: Path) -> None:
    """Names are relative to the folder that is searched. Names of cameras begin with `_`."""
    (folder / "pets/cat/0.png").rename("pets/cat/_DSC0.png")
    (folder / "pets/cat/.hidden.png").touch()
    every = ["cat/1.png", "cat/_DSC0.png", "dog/0.png", "dog/1.png"]
    expected = {
        "pets/cat/*.png": ["1.png", "_DSC0.png"], "pets/*/1.png": ["cat/1.png", "dog/1.png"],
        "pets/*/*": every, "pets/**": every, "**/pets/*/*.png": [f"pets/{name}" for name in every],
        "pets/c*": every[:2], "pets/[cd]*": every, "pets/cat/?.p*": ["1.png"],
    }  # fmt: skip
    for path, names in expected.items():
        for given in (path, folder / path):
            done = dlc("predict", models / "kinds/latest", given)
            assert (fields(done.stdout), done.stderr) == (names, ""), given
    assert len(fields(dlc("predict", models / "tones/latest", "tones/*/*.wav").stdout)) == 4
    said = refused("predict", models / "kinds/latest", "pets/*/*.png", "-o", "pets/dog/1.png")
    assert (
        said == "error: pets/dog/1.png is read here, and would be overwritten\n  = help: name another file\n"
    )


def test_a_pattern_that_matches_nothing(models: Path, folder: Path) -> None:
    for path in ("nothing/*.png", "pets/*/*.jpg", "pets/x*"):
        for given in (path, folder / path):
            said = refused("predict", models / "kinds/latest", given)
            assert said == f"error[E0701]: no file matches {path}\n"
    (folder / "spec.dl").write_text(KINDS.format(classes="cat, dog", path="pest/*/*"))
    assert hint(refused("data", "spec.dl")) == "paths are relative to the spec"


@pytest.mark.parametrize("path", ["pets/*/*.png", "./pets/**/*.png", "pets/???"])
def test_a_spec_reads_a_pattern_as_its_folder(folder: Path, path: str) -> None:
    told = []
    for source in ("pets", path):
        (folder / "spec.dl").write_text(KINDS.format(classes="cat, dog", path=source))
        done = dlc("data", "spec.dl", "--format", "json")
        assert done.exit_code == 0, done.output
        told.append(done.stdout)
    assert told[0] == told[1]


def test_masks_of_a_pattern(folder: Path) -> None:
    """They have the paths of the pictures below the folder that is searched; the model finds them again."""
    for place in ("a", "b"):
        for number in range(2):
            save(folder / f"data/tiles/{place}/{number}.png", noise(number, 4, 4, 3))
            save(folder / f"data/covers/{place}/{number}.png", noise(number, 4, 4, high=2))
    (folder / "spec.dl").write_text("""input photo: uint8[3, 4, 4]
output cover: class(2)[4, 4]
photo / 255 -> conv(2, 1) -> cover
data { source = images("data/tiles/*/*.png", masks="data/covers") }
train { epochs = 1 }
""")
    assert dlc("train", "spec.dl").exit_code == 0
    for path in ("data/tiles", "data/tiles/*/0.png"):
        done = dlc("eval", "runs/spec/latest", path)
        assert done.exit_code == 0, done.output


# --- columns of file names --------------------------------------------------------------------------------


def test_a_root_that_does_not_exist(folder: Path) -> None:
    (folder / "spec.dl").write_text(FLATS.format(root=', root="imgs"'))
    assert refused("data", "spec.dl") == (
        "error[E0701]: imgs, the folder of the files of flats.csv, does not exist\n"
        " --> spec.dl:7:29\n"
        "  |\n"
        '6 |  source = csv("flats.csv")\n'
        "  |           ^^^^^^^^^^^^^^^^ read here\n"
        '7 |  photo = files("path", root="imgs")\n'
        "  |                             ^^^^^^ looked for here\n"
        "  |\n"
        '  = help: "0.png" is a file in photos: `root="photos"`\n'
    )
    (folder / "photos").rename("pictures")
    (folder / "pictures" / "0.png").rename("flats")
    (folder / "spec.dl").write_text(FLATS.format(root=', root="flats"'))
    said = refused("data", "spec.dl")
    assert said.startswith("error[E0701]: flats, the folder of the files of flats.csv, is no folder\n")
    (folder / "flats.csv").write_text("path,rooms,price\nx/0.png,1,1\n")
    (folder / "spec.dl").write_text(FLATS.format(root=', root="picture"'))
    assert hint(refused("data", "spec.dl")) == "did you mean `pictures`?"
    (folder / "spec.dl").write_text(FLATS.format(root=', root="/none/far"'))
    assert hint(refused("data", "spec.dl")) == "`root` is relative to the spec"


@pytest.mark.parametrize("root", ["", ', root="pets"', ', root="tones"'])
def test_a_root_without_the_files(folder: Path, root: str) -> None:
    """The folder is named that has most of them: `pets/cat` has a `0.png` too."""
    (folder / "spec.dl").write_text(FLATS.format(root=root))
    said = refused("data", "spec.dl")
    where = 'error[E0701]: flats.csv, row 1 (line 2), column "path", "0.png": the file does not exist\n'
    assert said.startswith(where)
    assert hint(said) == '"0.png" is a file in photos: `root="photos"`'
    (folder / "spec.dl").write_text(FLATS.format(root=', root="photos"'))
    assert dlc("data", "spec.dl").exit_code == 0


def test_a_file_that_is_nowhere(folder: Path) -> None:
    (folder / "flats.csv").write_text("path,rooms,price\n7.png,1,1\n")
    for root, place in (("", "the folder of the spec"), (', root="photos"', "photos")):
        (folder / "spec.dl").write_text(FLATS.format(root=root))
        assert hint(refused("data", "spec.dl")) == f"names are relative to {place}"


def test_a_table_for_a_model_says_where_its_files_were_looked_for(models: Path, folder: Path) -> None:
    """Beside the table, in the folder that they had in training, or else in that of the table."""
    model = models / "flats/latest"
    (folder / "rows.csv").write_text("rooms,path\n1,nope.png\n2,1.png\n3,other.png\n")
    assert refused("predict", model, "rows.csv") == (
        'error[E0701]: rows.csv, row 1 (line 2), column "path", "nope.png": the file does not exist\n'
        '  = row 3 (line 4), column "path", "other.png": does not exist\n'
        "  = help: names are relative to photos\n"
    )
    (folder / "tables").mkdir()
    (folder / "tables/rows.csv").write_text("rooms,path\n1,nope.png\n")
    in_table = "names are relative to the folder of the table"
    assert hint(refused("predict", model, "tables/rows.csv")) == in_table
    (folder / "tables/rows.csv").write_text("rooms,path\n1,photos/0.png\n")
    for path in ("tables/rows.csv", folder / "tables/rows.csv"):
        said = hint(refused("predict", model, path))
        there = "the current folder" if path == "tables/rows.csv" else folder.name
        assert said == f'{in_table}, and "photos/0.png" is a file in {there}'
    (folder / "tables/rows.csv").write_text("rooms,path\n1,../photos/0.png\n")
    said = refused("predict", model, "tables/rows.csv")
    assert ": the file is outside of the folder of the files\n" in said and hint(said) == in_table
    os.chdir("tables")
    assert hint(refused("predict", model, "rows.csv")) == "names are relative to the current folder"


def test_a_table_without_the_column_of_file_names(models: Path, folder: Path) -> None:
    (folder / "rows.csv").write_text("rooms,name\n1,0.png\n")
    assert refused("predict", models / "kinds/latest", "rows.csv") == (
        'error[E0703]: rows.csv has no column "photo", which input `photo` takes\n'
        '  = it has "rooms", "name"\n'
        '  = help: name the picture of each row in a column "photo", relative to the current folder\n'
    )
    said = hint(refused("predict", models / "flats/latest", "rows.csv"))
    assert said == 'name the picture of each row in a column "photo", relative to photos'
    said = hint(refused("predict", models / "tones/latest", "rows.csv"))
    assert said == 'name the recording of each row in a column "wave", relative to the current folder'
    (folder / "rows.csv").write_text("rooms,photo\n1,0.png\n")
    assert len(fields(dlc("predict", models / "flats/latest", "rows.csv").stdout)) == 1
