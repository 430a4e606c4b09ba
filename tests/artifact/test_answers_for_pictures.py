"""Models of pictures: trained on files, and asked about files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

import dlc
from dlc.cli import commands
from dlc.runtime.artifact.metadata import from_texts
from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from click.testing import Result

KINDS = """input photo: uint8[3, 8, 8]
output kind: class(cat, dog)
photo / 255 -> global_avgpool -> dense(2) -> kind
data {
  source     = images("data/pets", fit=crop)
  validation = 0.25
  stratify   = kind
}
train {
  optimizer = adam(lr=0.2)
  epochs    = 40
  metrics   = [accuracy]
}
"""
COVERS = """input photo: uint8[3, 8, 8]
output cover: class(2, ignore=255)[8, 8]
photo / 255 -> conv(8, 3, padding=1) -> relu -> conv(2, 1) -> cover
data {
  source = images("data/places", fit=pad, masks="data/covers")
  test   = 0.25
  split  = groups(path(1))
}
train {
  loss      = cross_entropy(cover)
  optimizer = adam(lr=0.05)
  epochs    = 8
  metrics   = [iou, accuracy]
}
"""
FLATS = """input photo: float[1, 6, 6]
input rooms: float
output price: float
seen = photo / 255 -> flatten -> dense(4) -> relu
(seen, standardize(rooms)) -> concat -> dense(1) -> price
data {
  source = csv("data/flats.csv")
  photo  = files("path", root="photos", fit=pad)
}
train { epochs = 2 }
"""


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(commands, [str(a) for a in arguments])
    assert done.exit_code == 1
    return done.output


def answers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The models of the three specs. Dogs are lighter than cats, and so is water than land."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(24):
        light = number % 2
        picture = rng.integers(0, 128, (10, 14, 3)) + 127 * light
        save(folder / "data/pets" / ("cat", "dog")[light] / f"{number}.png", picture.astype(np.uint8))
        water = rng.random((10, 12)) < 0.5
        picture = rng.integers(0, 100, (10, 12, 3)) + 150 * water[..., None]
        save(folder / f"data/places/p{number % 4}/{number}.png", picture.astype(np.uint8))
        save(folder / f"data/covers/p{number % 4}/{number}.png", water.astype(np.uint8))
        save(folder / f"photos/{number}.png", rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    rows = "".join(f"{n}.png,{n % 5},{n}\n" for n in range(24))
    (folder / "data/flats.csv").write_text(f"path,rooms,price\n{rows}")
    found = {"folder": folder}
    for name, spec in (("kinds", KINDS), ("covers", COVERS), ("flats", FLATS)):
        (folder / f"{name}.dl").write_text(spec)
        run("train", folder / f"{name}.dl", "--out", folder / "runs")
        found[name] = folder / "runs" / name / "latest" / "model.onnx"
    return found


def test_a_picture_a_folder_and_a_table_are_answered_alike(trained: dict[str, Path]) -> None:
    model, pets = trained["kinds"], trained["folder"] / "data/pets"
    every = answers(run("predict", model, pets).output)
    assert [row["file"] for row in every] == sorted(f"{k}/{n}.png" for n in range(24) for k in
                                                     (("cat", "dog")[n % 2],))  # fmt: skip
    assert sum(row["file"].startswith(row["kind"]) for row in every) >= 22
    [one] = answers(run("predict", model, pets / "dog/1.png").output)
    known = {row["file"]: row for row in every}
    assert (one["file"], one["kind"]) == ("1.png", known["dog/1.png"]["kind"])
    assert float(one["kind_probabilities.dog"]) == pytest.approx(
        float(known["dog/1.png"]["kind_probabilities.dog"]), abs=1e-5
    )
    (pets / "some.csv").write_text("note,file\nfirst,dog/1.png\nsecond,cat/0.png\n")
    table = answers(run("predict", model, pets / "some.csv", "--keep", "note", "--keep", "file").output)
    assert [(row["note"], row["file"]) for row in table] == [("first", "dog/1.png"), ("second", "cat/0.png")]
    assert [row["kind"] for row in table] == [known[row["file"]]["kind"] for row in table]
    listed = json.loads(run("predict", model, pets, "--format", "json").stdout)
    assert [row["kind"] for row in listed] == [row["kind"] for row in every]
    assert listed[3]["file"] == every[3]["file"]
    (pets / "some.csv").unlink()


def test_the_model_takes_pictures_as_pillow_makes_them(trained: dict[str, Path]) -> None:
    """What `dlc predict` answers is what ONNX Runtime answers to a picture that Pillow cut and resized."""
    model, path = trained["kinds"], trained["folder"] / "data/pets/cat/2.png"
    image = ImageOps.fit(Image.open(path), (8, 8), Image.Resampling.BILINEAR)
    photo = np.asarray(image).transpose(2, 0, 1)[None]
    session = onnxruntime.InferenceSession(model)
    [kind, probabilities] = session.run(["kind", "kind_probabilities"], {"photo": photo})
    [row] = answers(run("predict", model, path).output)
    assert row["kind"] == kind[0]
    assert float(row["kind_probabilities.cat"]) == pytest.approx(probabilities[0, 0], abs=1e-3)
    assert dlc.load(model).predict({"photo": photo})["kind"].tolist() == [kind[0]]


def test_a_model_is_measured_on_a_folder(trained: dict[str, Path]) -> None:
    model, folder = trained["kinds"], trained["folder"]
    said = run("eval", model, folder / "data/pets").stdout
    assert said.startswith(f"24 rows of {folder / 'data/pets'}\naccuracy  ")
    found = dlc.load(model).evaluate(folder / "data/pets")
    every = answers(run("predict", model, folder / "data/pets").output)
    right = np.mean([row["file"].startswith(row["kind"]) for row in every])
    assert found.figures["accuracy"] == pytest.approx(right)


def test_masks_are_found_beside_other_pictures_too(trained: dict[str, Path], tmp_path: Path) -> None:
    """The model knows that the masks of `places` are in `covers` beside it."""
    model, folder = trained["covers"], trained["folder"]
    whole = json.loads(run("eval", model, folder / "data/places", "--format", "json").output)
    assert whole["rows"] == 24
    assert whole["accuracy"] > 0.65
    for kind in ("places", "covers"):
        (tmp_path / kind).mkdir()
        for number in (0, 5):
            name = f"p{number % 4}/{number}.png"
            (tmp_path / kind / f"{number}.png").write_bytes((folder / "data" / kind / name).read_bytes())
    some = json.loads(run("eval", model, tmp_path / "places", "--format", "json").output)
    assert some["rows"] == 2
    (tmp_path / "covers" / "5.png").unlink()
    said = refused("eval", model, tmp_path / "places")
    assert "places, 5.png: the picture has no mask in covers" in said
    assert len(answers(run("predict", model, tmp_path / "places").output)) == 2  # which needs no masks


def test_a_table_of_files_is_read_as_in_training(trained: dict[str, Path], tmp_path: Path) -> None:
    """File names are relative to the folder that they had in training, seen from the table, or else to that
    of the table."""
    model, folder = trained["flats"], trained["folder"]
    given = answers(run("predict", model, folder / "data/flats.csv", "--keep", "path").output)
    assert len(given) == 24
    for table, photo in (("a/rows.csv", "a/x.png"), ("b/data/rows.csv", "b/photos/x.png")):
        for path in (tmp_path / table, tmp_path / photo):
            path.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / photo).write_bytes((folder / "photos/3.png").read_bytes())
        (tmp_path / table).write_text("rooms,path\n3,x.png\n")
        [row] = answers(run("predict", model, tmp_path / table).output)
        assert float(row["price"]) == pytest.approx(float(given[3]["price"]), rel=1e-4)
    said = refused("predict", model, folder / "photos")
    assert "photos, 0.png: the model also needs `rooms`\n" in said
    assert "= help: give it a table: a column of file names, and one with `rooms`\n" in said
    assert "error[E0706]: 3.png: the model also needs `rooms`\n" in refused(
        "predict", model, folder / "photos/3.png"
    )


def test_a_model_of_arrays_takes_pictures_only_where_their_numbers_are_known(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pixels, kind = rng.integers(0, 256, (12, 1, 4, 4), dtype=np.uint8), np.arange(12) % 2
    np.savez(tmp_path / "rows.npz", photo=pixels, kind=kind)
    save(tmp_path / "x.png", pixels[3, 0])
    for type, scaled in (("uint8", "photo / 255"), ("float", "photo")):
        spec = f"""input photo: {type}[1, 4, 4]
output kind: class(2)
{scaled} -> flatten -> dense(2) -> kind
data {{ source = npz("rows.npz") }}
train {{ epochs = 1 }}
"""
        (tmp_path / f"{type}.dl").write_text(spec)
        run("train", tmp_path / f"{type}.dl", "--out", tmp_path)
    model = tmp_path / "uint8" / "latest" / "model.onnx"
    [row] = answers(run("predict", model, tmp_path / "x.png").output)
    expected = dlc.load(model).predict({"photo": pixels[3:4]})
    assert int(row["kind"]) == expected["kind"][0]
    said = refused("predict", tmp_path / "float" / "latest" / "model.onnx", tmp_path / "x.png")
    assert "the model was trained on arrays, whose numbers may have another range: give it arrays" in said


def test_a_broken_picture_is_named(trained: dict[str, Path], tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "b.png").write_bytes(b"GIF8")
    assert f"{tmp_path.name}, b.png: the file is" in refused("predict", trained["kinds"], tmp_path)
    assert "error[E0702]: b.png: the file is" in refused("predict", trained["kinds"], tmp_path / "b.png")


def test_a_folder_without_pictures_is_an_error(trained: dict[str, Path], tmp_path: Path) -> None:
    assert "error[E0708]" in refused("predict", trained["kinds"], tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    assert "holds no pictures, but 1 other file" in refused("predict", trained["kinds"], tmp_path)


def test_a_picture_without_a_class_cannot_measure_a_model(trained: dict[str, Path]) -> None:
    cats, said = (
        trained["folder"] / "data/pets/cat",
        "the picture is in no folder, and the name of its folder",
    )
    whole = refused("eval", trained["kinds"], cats)
    assert f"cat, 0.png: {said} fills target `kind`\n" in whole
    assert "= also 10.png, 12.png, 14.png and more\n" in whole
    assert "= help: name the folder above cat: it has a folder for each class\n" in whole
    alone = refused("eval", trained["kinds"], cats / "0.png")
    assert f"0.png: {said} fills target `kind`\n" in alone
    assert "= help: name a folder that has a folder for each class\n" in alone


@pytest.mark.parametrize(("key", "value"), [
    ("files", {"photo": {"root": "/etc"}}),
    ("files", {"photo": {"root": "a/../../../../b"}}),
    ("files", {"photo": {"column": "x"}}),
    ("files", {"photo": {"rate": 0}}),
    ("files", ["photo"]),
    ("folder", {"source": "csv"}),
    ("folder", {"source": "images", "fit": "wide"}),
    ("folder", {"source": "images", "masks": "/etc"}),
    ("folder", {"source": "images", "masks": "../../../b"}),
    ("folder", {"fit": "pad"}),
])  # fmt: skip
def test_settings_of_a_stranger_are_checked(trained: dict[str, Path], key: str, value: Any) -> None:
    model = onnx.load(trained["kinds"])
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert from_texts(texts).folder == {"source": "images", "fit": "crop"}
    assert from_texts(texts).files == {"photo": {"fit": "crop"}}
    with pytest.raises(ValueError, match=f"its `dlc.{key}` is not as dlc writes it"):
        from_texts({**texts, f"dlc.{key}": json.dumps(value)})


def test_python_tells_that_pictures_are_paths_of_the_command(trained: dict[str, Path]) -> None:
    with pytest.raises((TypeError, ArtifactError)):
        dlc.load(trained["kinds"]).predict(trained["folder"] / "data/pets")
