"""Pictures and masks as rows: what a file fills a field with. Pillow and torchvision are the references."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from fields import error_of, errors_of
from picture_files import noise, pets, rows_of, save
from PIL import Image, ImageOps

from dlc.runtime.data import bounds
from dlc.runtime.data.files import paths, pictures

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.runtime.data import Dataset

KINDS = """input x: {input}
output kind: class({classes})
x / 255 -> flatten -> dense(kind.classes) -> kind
data {{
 source = {source}
 {more}
}}
"""
MASKS = """input x: uint8[3, {size}]
output cover: {cover}
x / 255 -> conv({units}, 1) {squeezed} -> cover
data {{
 source = images("photos", masks="covers", fit={fit})
}}
"""
WHITE = (255, 255, 255, 255)


def kinds(folder: Path, input: str = "uint8[3, 4, 4]", source: str = 'images("pets")', more: str = "",
          classes: str = "auto", data: Any = None) -> Dataset:  # fmt: skip
    """The rows of pictures with one class each."""
    spec = KINDS.format(input=input, classes=classes, source=source, more=more)
    return rows_of(spec, folder, data)


def masks(folder: Path, cover: str = "class(3)[4, 4]", fit: str = "stretch") -> np.ndarray:
    """The masks of pictures in a folder."""
    units, squeezed = (1, "-> flatten -> reshape(4, 4)") if cover.startswith("binary") else (3, "")
    size = cover.partition("[")[2].rstrip("]")
    spec = MASKS.format(cover=cover, units=units, squeezed=squeezed, size=size, fit=fit)
    return train(rows_of(spec, folder))["cover"]


def train(data: Dataset) -> dict[str, np.ndarray]:
    assert data.train is not None
    return {name: np.asarray(values) for name, values in data.train.items()}


def one(path: Path, channels: int | None = 3, height: int | None = None, width: int | None = None,
        fit: str = "stretch") -> np.ndarray:  # fmt: skip
    return pictures.PictureReader(channels, height, width, fit).read(str(path))


def planes(image: Image.Image) -> np.ndarray:
    """The channels of a picture of Pillow, `[channels, height, width]`."""
    return np.stack([np.asarray(channel) for channel in image.split()])


# --- folders ----------------------------------------------------------------------------------------------


def test_a_folder_is_the_class_of_its_pictures(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", size=(4, 4))
    save(folder / "dog" / "small" / "deep" / "0.png", noise(1, 4, 4, 3))
    (folder / "dog" / "notes.txt").write_text("no picture")
    save(folder / ".hidden" / "0.png", noise(2, 4, 4, 3))
    data = kinds(tmp_path, classes="dog, cat, deep")
    rows = train(data)
    assert rows["kind"].tolist() == [1, 1, 1, 0, 0, 0, 2]
    expected = [planes(Image.open(folder / "cat" / f"{n}.png")) for n in range(3)]
    assert rows["x"].dtype == np.uint8
    assert (rows["x"][:3] == expected).all()
    assert data.columns == {"x": ("file",), "kind": ("folder",)}


def test_folders_with_numbers_are_class_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        save(tmp_path / "pets" / str(number) / "a.png", noise(number, 4, 4))
    found = kinds(tmp_path, "float[4, 4]")
    assert found.classes["kind"].labels == (0, 2, 10)
    rows = train(found)
    assert rows["kind"].tolist() == [0, 2, 1]  # the rows are in the order of their paths: 0, 10, 2
    assert rows["x"].dtype == np.float32
    assert (rows["x"][0] == noise(0, 4, 4)).all()


def test_each_folder_of_a_path_may_be_a_field(tmp_path: Path) -> None:
    for writer in ("ann", "ben"):
        for digit in "01":
            save(tmp_path / "pets" / writer / digit / "a.png", noise(1, 4, 4, 3))
    data = kinds(tmp_path, more="kind = path(1)")
    assert (data.classes["kind"].texts, train(data)["kind"].tolist()) == (("ann", "ben"), [0, 0, 1, 1])
    found = error_of(kinds, tmp_path, more="kind = path(3)")
    message = "pets has no path with 3 folders, and nothing fills target `kind`, which is class"
    assert (found.code, found.message) == ("E0703", message)


def test_groups_keep_the_pictures_of_a_folder_together(tmp_path: Path) -> None:
    for place in range(6):
        for number in range(4):
            name = f"place{place}/{number % 2}/{number}.png"
            save(tmp_path / "pets" / name, noise(place, 4, 4, 3))
    data = kinds(tmp_path, more="validation = 0.3\n split = groups(path(1))\n seed = 3")
    parts = [{row.tobytes() for row in part["x"]} for part in (data.train, data.validation) if part]
    assert [len(part) for part in parts] == [4, 2]  # all pictures of a place are equal
    assert not parts[0] & parts[1]


def test_only_files_named_as_pictures_are_rows(tmp_path: Path) -> None:
    names = ["b.JPG", "a/z.png", "a/b/c.webp", "ä.gif"]
    for name in [*names, ".x.png", "__MACOSX/x.png", "Thumbs.db", "notes.txt", "a/rows.csv"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = paths.listed(tmp_path, paths.PICTURES)
    assert found.names == ["a/b/c.webp", "a/z.png", "b.JPG", "ä.gif"]
    assert (found.count_of_others, found.others) == (2, ["a/rows.csv", "notes.txt"])


def test_the_suffixes_are_those_of_formats_that_pillow_decodes() -> None:
    Image.init()
    decoded = {suffix for suffix, form in Image.registered_extensions().items()
               if (form in Image.OPEN or form == "MPO") and form not in pictures.NOT_DECODED}  # fmt: skip
    assert decoded == paths.PICTURES


def test_a_folder_without_pictures_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    assert error_of(kinds, tmp_path).message == "pets holds no pictures"
    (tmp_path / "pets" / "cat.wav").touch()
    assert error_of(kinds, tmp_path).message == 'pets holds no pictures, but 1 other file: "cat.wav"'
    found = error_of(kinds, tmp_path, source='images("pest")')
    assert (found.code, found.message, found.help) == (
        "E0701", "there is no folder pest", "did you mean `pets`?"
    )  # fmt: skip


def test_a_picture_in_no_folder_has_no_class(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    save(folder / "stray.png", noise(1, 4, 4, 3))
    found = error_of(kinds, tmp_path, classes="cat, dog")
    said = "the picture is in no folder, and the name of its folder fills target `kind`"
    assert (found.code, found.message) == ("E0706", f"pets, stray.png: {said}")
    assert found.help == "move it into a folder, or remove it"
    found = error_of(kinds, tmp_path, source='images("pets/cat")', classes="cat, dog")
    assert (found.code, found.message) == ("E0706", f"pets/cat, 0.png: {said}")
    assert found.help == "name the folder above pets/cat: it has a folder for each class"
    assert found.notes == ("also 1.png, 2.png",)
    more = "kind = path(1)\n test = 0.5\n split = groups(path(2))"
    save(folder / "dog" / "small" / "0.png", noise(1, 4, 4, 3))
    (folder / "stray.png").unlink()
    found = error_of(kinds, tmp_path, more=more)
    said = "the picture has no path(2), which fills `split = groups(...)`"
    assert (found.code, found.message) == ("E0706", f"pets, cat/0.png: {said}")
    assert found.notes == ("also cat/1.png, cat/2.png, dog/0.png and more",)


# --- sizes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(9, 14), (14, 9), (30, 31), (3, 2), (7, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fits_are_those_of_pillow(tmp_path: Path, size: tuple[int, int], channels: int) -> None:
    image = Image.fromarray(noise(3, *size, 3))
    image = image.convert("L") if channels == 1 else image
    path, bilinear = save(tmp_path / "x.png", image), Image.Resampling.BILINEAR
    for height, width in ((7, 5), (6, 12), (16, 16)):
        stretched = image.resize((width, height), bilinear)
        assert (one(path, channels, height, width) == planes(stretched)).all()
        cropped = ImageOps.fit(image, (width, height), bilinear)
        near = one(path, channels, height, width, "crop").astype(int) - planes(cropped)
        assert abs(near).max() <= 1  # the edges of the part differ in the last digits of a float
        inner = pictures.contained(*size, height, width)
        padded = one(path, channels, height, width, "pad")
        top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
        part = padded[:, top : top + inner[0], left : left + inner[1]]
        assert (part == planes(image.resize(inner[::-1], bilinear))).all()
        assert inner[0] == height or inner[1] == width
        assert padded.astype(int).sum() == part.astype(int).sum()  # the border is black


def test_resizing_agrees_with_torchvision(tmp_path: Path) -> None:
    import torch
    from torchvision.transforms.v2 import functional

    picture = noise(5, 40, 60, 3)
    made = one(save(tmp_path / "x.png", picture), 3, 17, 23)
    expected = functional.resize(torch.from_numpy(picture).permute(2, 0, 1), [17, 23], antialias=True)
    assert np.abs(made.astype(int) - expected.numpy()).max() <= 1


def test_pictures_of_a_free_size_are_all_of_one_size(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    spec = KINDS.replace("flatten", "global_avgpool").format(
        input="uint8[C, H, W]", classes="auto", source='images("pets")', more=""
    ).replace("uint8[C", "uint8[3")  # fmt: skip
    assert train(rows_of(spec, tmp_path))["x"].shape == (6, 3, 6, 8)
    save(tmp_path / "pets" / "dog" / "x.png", noise(1, 7, 8, 3))
    found = error_of(rows_of, spec, tmp_path)
    sizes = '8 x 7 pixels and 3 channels, and "cat/0.png" has 8 x 6 pixels and 3 channels'
    assert (found.code, found.message) == ("E0704", f"pets, dog/x.png: the file has {sizes}")


# --- channels ---------------------------------------------------------------------------------------------


def picture_of(mode: str) -> tuple[Image.Image, np.ndarray]:
    """A picture of a mode, and its red, green, blue and alpha by definition."""
    colours, alpha = noise(1, 5, 6, 3), noise(2, 5, 6)
    opaque = np.full((5, 6, 1), 255, np.uint8)
    if mode == "RGB":
        return Image.fromarray(colours), np.dstack([colours, opaque])
    if mode == "RGBA":
        full = np.dstack([colours, alpha])
        return Image.fromarray(full), full
    grey = colours[..., 0]
    if mode == "L":
        return Image.fromarray(grey), np.dstack([grey, grey, grey, opaque])
    if mode == "LA":
        both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
        return both, np.dstack([grey, grey, grey, alpha])
    if mode == "1":
        bits = grey > 127
        white = np.where(bits, 255, 0).astype(np.uint8)
        return Image.fromarray(bits), np.dstack([white, white, white, opaque])
    if mode == "I;16":
        deep = np.random.default_rng(4).integers(0, 65536, (5, 6), dtype=np.uint16)
        near = np.round(deep / 257).astype(np.uint8)
        return Image.fromarray(deep), np.dstack([near, near, near, opaque])
    palette = noise(6, 8, 3)
    indices = noise(7, 5, 6, high=8)
    image = Image.frombytes("P", (6, 5), indices.tobytes())
    image.putpalette(palette.tobytes())
    full = np.dstack([palette[indices], opaque])
    if mode == "P transparent":
        image.info["transparency"] = 3
        full[..., 3] = np.where(indices == 3, 0, 255)
    return image, full


MODES = ["RGB", "RGBA", "L", "LA", "1", "I;16", "P", "P transparent"]


@pytest.mark.parametrize("mode", MODES)
def test_any_mode_fills_any_number_of_channels(tmp_path: Path, mode: str) -> None:
    """Alpha is blended with white, and grey is 0.299 red + 0.587 green + 0.114 blue."""
    image, full = picture_of(mode)
    path = save(tmp_path / "x.png", image)
    alpha = full[..., 3:] / 255
    blended = full[..., :3] * alpha + 255 * (1 - alpha)
    grey = blended @ [0.299, 0.587, 0.114]
    assert np.abs(one(path, 3).transpose(1, 2, 0) - blended).max() <= 1
    assert np.abs(one(path, 1)[0] - grey).max() <= 1.5
    assert (one(path, 4).transpose(1, 2, 0) == full).all()
    both = one(path, 2)
    assert (both[1] == full[..., 3]).all()
    assert np.abs(both[0] - full[..., :3] @ [0.299, 0.587, 0.114]).max() <= 1
    kept = {"RGB": 3, "RGBA": 4, "L": 1, "LA": 2, "1": 1, "I;16": 1, "P": 3, "P transparent": 4}
    assert len(one(path, None)) == kept[mode]


def test_transparent_colours_do_not_shine_through_when_resized(tmp_path: Path) -> None:
    """A red picture with invisible green beside it: no pixel becomes greenish."""
    picture = np.zeros((4, 8, 4), np.uint8)
    picture[:, :4] = (255, 0, 0, 255)
    picture[:, 4:] = (0, 255, 0, 0)
    made = one(save(tmp_path / "x.png", picture), 4, 4, 3)
    assert made[1].max() == 0
    on_white = one(save(tmp_path / "x.png", picture), 3, 4, 3)
    assert (on_white[0] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    """Turned as a viewer of photographs turns them, for each orientation of EXIF."""
    upright = noise(9, 5, 7, 3)
    turn = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "x.png", np.ascontiguousarray(turn[orientation]), exif=exif)
    assert (one(path).transpose(1, 2, 0) == upright).all()


def test_cmyk_jpegs_webp_and_the_first_frame_of_animations(tmp_path: Path) -> None:
    flat = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(one(save(tmp_path / "a.jpg", flat)).mean((1, 2)) - [255, 0, 0]).max() < 4
    first, second = Image.new("RGB", (4, 4), "blue"), Image.new("RGB", (4, 4), "red")
    path = save(tmp_path / "a.gif", first, save_all=True, append_images=[second])
    assert one(path)[:, 0, 0].tolist() == [0, 0, 255]
    path = save(tmp_path / "b.webp", Image.new("RGB", (4, 4), "lime"), lossless=True)
    assert one(path)[:, 0, 0].tolist() == [0, 255, 0]
    misnamed = save(tmp_path / "c.png", Image.new("RGB", (4, 4), "lime"))
    misnamed.rename(tmp_path / "c.jpg")
    assert one(tmp_path / "c.jpg")[:, 0, 0].tolist() == [0, 255, 0]


# --- masks ------------------------------------------------------------------------------------------------


def test_masks_are_palette_indices_or_grey_values(tmp_path: Path) -> None:
    values = noise(1, 4, 4, high=3)
    palette = Image.frombytes("P", (4, 4), values.tobytes())
    palette.putpalette(noise(2, 3, 3).tobytes())
    forms = [Image.fromarray(values), palette, Image.fromarray(values.astype(np.uint16)),
             Image.fromarray(np.dstack([values] * 3)), Image.fromarray(values).convert("LA")]  # fmt: skip
    for number, form in enumerate(forms):
        save(tmp_path / "photos" / "a" / f"{number}.jpg", noise(number, 4, 4, 3))
        save(tmp_path / "covers" / "a" / f"{number}.png", form)
    found = masks(tmp_path)
    assert found.shape == (5, 4, 4)
    assert (found == values).all()


def test_white_is_one_in_a_mask_of_two_classes(tmp_path: Path) -> None:
    bits = noise(1, 4, 4, high=2)
    for number, form in enumerate((bits * 255, bits, bits > 0)):
        save(tmp_path / "photos" / f"{number}.png", noise(number, 4, 4, 3))
        save(tmp_path / "covers" / f"{number}.png", form)
    assert (masks(tmp_path, "binary[4, 4]") == bits).all()


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_masks_take_the_nearest_pixel_and_the_border_does_not_count(tmp_path: Path, fit: str) -> None:
    values = noise(1, 9, 15, high=3)
    save(tmp_path / "photos" / "a.png", noise(2, 9, 15, 3))
    save(tmp_path / "covers" / "a.png", values)
    [found] = masks(tmp_path, "class(3, ignore=255)[6, 6]", fit)
    mask, nearest = Image.fromarray(values), Image.Resampling.NEAREST
    if fit == "stretch":
        expected = np.asarray(mask.resize((6, 6), nearest))
    elif fit == "crop":
        expected = np.asarray(ImageOps.fit(mask, (6, 6), nearest))
    else:
        expected = np.full((6, 6), -1)
        expected[1:5] = np.asarray(mask.resize((6, 4), nearest))
    assert (found == expected).all()


def test_a_mask_has_the_name_and_the_proportions_of_its_picture(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / "photos" / f"{name}.jpg", noise(1, 8, 12, 3))
    save(tmp_path / "covers" / "a.png", noise(1, 4, 6, high=3))  # half as large
    found = error_of(masks, tmp_path)
    assert (found.code, found.message) == ("E0701", "photos, b.jpg: the picture has no mask in covers")
    assert (found.help, found.notes) == (
        "a mask has the name of its picture, such as b.png", ("c.jpg too",)
    )  # fmt: skip
    save(tmp_path / "covers" / "b.png", noise(1, 8, 8, high=3))
    save(tmp_path / "covers" / "c.png", noise(1, 8, 12, 3))
    found = error_of(masks, tmp_path)
    assert found.message == "photos, b.jpg: the mask has 8 x 8 pixels, and its picture has 12 x 8"
    assert found.notes == ("c.jpg: is a mask with colours, and classes are grey values or palette indices",)


def test_a_class_that_a_mask_does_not_have_names_the_picture(tmp_path: Path) -> None:
    values = np.zeros((4, 4), np.uint8)
    values[1, 2] = 255
    save(tmp_path / "photos" / "a.png", noise(1, 4, 4, 3))
    save(tmp_path / "covers" / "a.png", values)
    found = error_of(masks, tmp_path)
    message = "photos, a.png, the mask: there is no class 255: the 3 classes are 0 to 2"
    assert (found.code, found.message) == ("E0707", message)
    assert found.help == "if it marks entries that do not count: `class(3, ignore=255)`"


# --- broken files -----------------------------------------------------------------------------------------


def test_all_broken_files_are_named_at_once(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", size=(30, 30))
    whole = (folder / "dog" / "0.png").read_bytes()
    (folder / "cat" / "0.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cat" / "9.jpg").touch()
    (folder / "dog" / "8.gif").write_text("<!DOCTYPE html><p>Log in</p>")
    (folder / "dog" / "9.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    found = error_of(kinds, tmp_path)
    assert (found.code, found.message) == (
        "E0702", "pets, cat/0.png: the file is damaged: image file is truncated"
    )  # fmt: skip
    assert found.notes == ("cat/9.jpg: is empty", "dog/8.gif: is no picture", "dog/9.png: is no picture")
    for number in range(4):
        (folder / "dog" / f"{number}.png").write_bytes(b"\0")
    found = error_of(kinds, tmp_path)
    assert (len(found.notes), found.notes[-1]) == (5, "and others")


def test_pipes_folders_and_links_to_nothing_are_no_pictures(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", 1)
    os.mkfifo(folder / "cat" / "a.png")
    (folder / "cat" / "b.png").symlink_to(tmp_path / "nothing.png")
    found = error_of(kinds, tmp_path)
    assert found.message == "pets, cat/a.png: the file is a pipe (FIFO), not a regular file"
    assert found.notes == ("cat/b.png: does not exist",)


def test_no_other_program_decodes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would run Ghostscript for PostScript."""
    monkeypatch.setattr("subprocess.Popen", None)
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n")
    assert error_of(kinds, tmp_path).message == "pets, cat/a.png: the file is no picture that Pillow reads"


def test_a_bomb_is_no_picture(tmp_path: Path) -> None:
    """A small file whose header says that it has 10 billion pixels."""
    save(tmp_path / "pets" / "cat" / "a.png", noise(1, 4, 4, 3))
    path = tmp_path / "pets" / "cat" / "a.png"
    content = bytearray(path.read_bytes())
    import zlib

    content[16:24] = (100_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    found = error_of(kinds, tmp_path)
    assert found.message == "pets, cat/a.png: the file has more pixels than Pillow decodes"


def test_pictures_that_do_not_fit_in_memory_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pets(tmp_path / "pets")
    (folder / "dog" / "0.png").write_bytes(b"")
    monkeypatch.setattr(bounds, "memory_limit", lambda: 287)
    found = error_of(kinds, tmp_path)  # 6 pictures of 48 bytes
    assert (found.code, found.message) == (
        "E0716", "pets, decoded, needs 288 bytes of memory, and at most 287 bytes may be used for it"
    )  # fmt: skip


@pytest.mark.parametrize(("mode", "said"), [("F", "holds floating-point numbers, whose range is not known"),
                                            ("I", "holds numbers of more than 16 bits")])  # fmt: skip
def test_numbers_of_an_unknown_range_are_refused(tmp_path: Path, mode: str, said: str) -> None:
    image = Image.new(mode, (4, 4), 100_000)
    save(tmp_path / "pets" / "cat" / "a.tif", image)
    assert error_of(kinds, tmp_path).message == f"pets, cat/a.tif: the file {said}"


# --- columns of file names --------------------------------------------------------------------------------

FILES = 'x = files("path", root="pets"{})'


def test_a_column_of_a_table_names_pictures(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets")
    (tmp_path / "rows.csv").write_text("path,kind\ndog/1.png,b\n cat/0.png,a\ndog/1.png,b\n")
    rows = train(kinds(tmp_path, source='csv("rows.csv")', more=FILES.format(", fit=crop")))
    expected = [one(folder / n, 3, 4, 4, "crop") for n in ("dog/1.png", "cat/0.png", "dog/1.png")]
    assert (rows["x"] == expected).all()
    frame = pd.read_csv(tmp_path / "rows.csv")
    again = train(kinds(tmp_path, source='csv("none.csv")', more=FILES.format(", fit=crop"), data=frame))
    assert (again["x"] == expected).all()
    frame.to_parquet(tmp_path / "rows.parquet")
    again = train(kinds(tmp_path, source='parquet("rows.parquet")', more=FILES.format(", fit=crop")))
    assert (again["x"] == expected).all()


def test_files_of_a_table_are_named_by_their_rows(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    (tmp_path / "pets" / "dog" / "2.png").write_bytes(b"")
    (tmp_path / "secret.png").touch()
    named = ["cat/0.png", "dog/7.png", "../secret.png", str(tmp_path / "secret.png"), "dog/2.png"]
    (tmp_path / "rows.csv").write_text("path,kind\n" + "".join(f"{name},a\n" for name in named))
    found = error_of(kinds, tmp_path, source='csv("rows.csv")', more=FILES.format(""), classes="a, b")
    where = 'rows.csv, row 2 (line 3), column "path", "dog/7.png"'
    assert (found.code, found.message) == ("E0701", f"{where}: the file does not exist")
    said = [note.partition(": ")[2] for note in found.notes]
    assert said == ["is outside of the folder of the files"] * 2 + ["is empty"]
    assert found.notes[2].startswith('row 5 (line 6), column "path", "dog/2.png"')


def test_a_missing_name_is_a_missing_value(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    (tmp_path / "rows.csv").write_text("path,kind\ncat/0.png,a\n,b\ndog/0.png,b\n")
    source = 'csv("rows.csv")'
    found = error_of(kinds, tmp_path, source=source, more=FILES.format(""))
    assert (found.code, found.message) == (
        "E0706", 'rows.csv, row 2 (line 3), column "path": the value is missing'
    )  # fmt: skip
    data = kinds(tmp_path, source=source, more=FILES.format("") + "\n drop = missing")
    assert train(data)["x"].shape == (2, 3, 4, 4)
    assert data.notes == ("1 of 3 rows of rows.csv left out (`drop = missing`): they miss `x`",)


def test_groups_of_a_table_may_be_folders_of_its_files(tmp_path: Path) -> None:
    pets(tmp_path / "pets")
    (tmp_path / "rows.csv").write_text(
        "path,kind\n" + "".join(f"{pet}/{n}.png,{n}\n" for n in range(3) for pet in ("cat", "dog"))
    )
    more = FILES.format("") + "\n test = 0.5\n split = groups(path(1))"
    data = kinds(tmp_path, source='csv("rows.csv")', more=more)
    assert data.train is not None and data.test is not None
    darker = [float(np.asarray(part["x"]).mean()) < 127 for part in (data.train, data.test)]
    assert sorted(darker) == [False, True]
    assert np.asarray(data.test["x"]).shape == (3, 3, 4, 4)


def test_pictures_of_a_table_fill_two_sizes(tmp_path: Path) -> None:
    """Real numbers `[height, width]` could be the channels of a recording, too."""
    pets(tmp_path / "pets", size=(4, 4))
    (tmp_path / "rows.csv").write_text("path,kind\n,a\ncat/0.png,a\ndog/0.png,b\n")
    more = FILES.format("") + "\n drop = missing"
    greys = [Image.open(tmp_path / f"pets/{kind}/0.png").convert("L") for kind in ("cat", "dog")]
    for input in ("float[4, 4]", "uint8[4, 4]"):
        spec = KINDS.replace("flatten", "sum" if "W" in input else "flatten")
        found = rows_of(
            spec.format(input=input, classes="a, b", source='csv("rows.csv")', more=more), tmp_path
        )
        assert (train(found)["x"] == [np.asarray(grey) for grey in greys]).all()


# --- what the compiler tells ------------------------------------------------------------------------------


@pytest.mark.parametrize(("input", "said"), [
    ("uint8[5, 4, 4]", "a picture has no 5 channels"),
    ("float[48]", "no picture fills it"),
    ("float[1, 3, 4, 4]", "no picture fills it"),
])  # fmt: skip
def test_a_picture_fills_an_input_of_its_shape(tmp_path: Path, input: str, said: str) -> None:
    [(code, message)] = errors_of(kinds, tmp_path, input)
    assert (code, message) == ("E0704", f"`x` is {input}, and {said}")


def test_a_file_fills_a_field_of_its_shape(tmp_path: Path) -> None:
    more = 'x = files("path")'
    [(code, message)] = errors_of(kinds, tmp_path, "float[1, 3, 4, 4]", 'csv("rows.csv")', more)
    assert (code, message) == ("E0704", "`x` is float[1, 3, 4, 4], and no file fills it")


def test_paths_are_those_of_files(tmp_path: Path) -> None:
    found = error_of(kinds, tmp_path, source='csv("rows.csv")', more="kind = path(1)")
    assert (found.code, found.message) == ("E0408", "`path` is that of a file, and no field of `data` is one")
    found = error_of(kinds, tmp_path, more='x = files("file")')
    assert (found.code, found.message) == ("E0408", "`x` names files, and the rows of `images` are files")


@pytest.mark.parametrize(("input", "settings", "said"), [
    ("uint8[3, 4, 4]", "rate=8000", "`rate` is a setting of recordings, and `x` is {}: a picture"),
    ("uint8[4, 4]", "rate=8000", "`rate` is a setting of recordings, and `x` is {}: a picture"),
    ("class(3)[4, 4]", "rate=8000", "`rate` is a setting of recordings, and `x` is {}: a mask"),
    ("float[48]", "fit=crop", "`fit` is a setting of pictures, and `x` is {}: a recording"),
    ("float[2, 48]", "rate=8000, fit=crop", "`fit` is a setting of pictures, and `x` is {}: a recording"),
])  # fmt: skip
def test_settings_of_other_files_are_refused(tmp_path: Path, input: str, settings: str, said: str) -> None:
    """Also of a field that the model does not read."""
    spec = f"""input x: {input}
input kind: class(2)
output y: float
kind -> embed(2) -> dense(1) -> y
data {{
 source = csv("rows.csv")
 x = files("path", {settings})
}}
"""
    assert ("E0408", said.format(input)) in errors_of(rows_of, spec, tmp_path)


def test_masks_that_nothing_takes_are_refused(tmp_path: Path) -> None:
    found = error_of(kinds, tmp_path, source='images("pets", masks="covers")')
    assert (found.code, found.message, found.help) == (
        "E0408",
        "`masks` names a folder of masks, and no field takes one",
        "leave it out, or declare a target `class(n)[height, width]`",
    )
    found = error_of(kinds, tmp_path, more='test = images("others", masks="covers")')
    assert (found.code, found.labels[0].span.text) == ("E0408", '"covers"')


def test_pictures_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pets(tmp_path / "pets")
    monkeypatch.setattr("dlc.runtime.extras.find_spec", lambda name: None)
    found = error_of(kinds, tmp_path)
    assert (found.code, found.message, found.help) == (
        "E0816",
        "pictures are decoded by the package Pillow, which is not installed",
        'pip install "dlc[vision]"',
    )
