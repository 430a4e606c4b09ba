"""Definitions for rows that are files: folders of pictures and recordings, and columns of file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.data_families import DataSource, Field
from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Keyword, MemberOf, Nothing, OneOf, Path, Text

if TYPE_CHECKING:
    from dlc.compiler.types import Tensor

STRETCH, CROP, PAD = FITS = ("stretch", "crop", "pad")
PICTURE, MASK, RECORDING = "picture", "mask", "recording"  # what a file fills a field with
FILE, MASK_COLUMN, FOLDER = "file", "mask", "folder"  # the columns of a folder of files
RATE = 16_000
MAX_RATE = 768_000
MAX_DEPTH = 100
CHANNELS = (1, 2, 3, 4)  # grey, grey with alpha, colour, colour with alpha
FIT = "how a picture gets the height and width of its field"


class FolderOfFiles(DataSource, abstract=True):
    """A folder with one file a row. The folder that a file is in is its class."""

    path: str = setting("the folder, relative to the spec, or a pattern such as `pets/*/*.png`", Path())
    # The settings of both kinds of folders. A kind that lacks one has its default here.
    fit: str = STRETCH
    rate: int | None = None
    masks: str | None = None
    holds: str  # `PICTURE` or `RECORDING`


class Images(FolderOfFiles):
    """A folder of pictures in any format that Pillow reads, one folder for each class.

    A picture fills the input of numbers with the shape `[channels, height, width]` or `[height, width]`, as
    numbers from 0 to 255. The name of the folder that it is in fills the target (or input) of a single class.
    With `masks`, the mask of a picture fills the target of the shape `[height, width]`: its grey values or
    palette indices are class numbers. `path(1)` is the first folder below the source.

    `stretch` changes height and width independently, `crop` cuts the middle out, `pad` adds a black border.
    Pictures are resized by `Image.resize` of Pillow (bilinear, antialiased), masks take the nearest pixel.
    Pictures are turned upright (EXIF), of animations the first is read, and transparent pixels stand on
    white where the input has no channel for alpha.
    """

    usage = """
    input  photo: uint8[3, 64, 64]
    output kind: class(cat, dog)

    photo / 255 -> conv(16, 3, padding=1) -> relu -> maxpool(2) -> global_avgpool -> dense(2) -> kind

    data {
      source     = images("pets", fit=crop)
      validation = 0.2
    }
    """

    holds = PICTURE
    fit: str = setting(FIT, Keyword(*FITS), STRETCH)
    masks: str | None = setting("the folder with a mask for each picture, in a file of the same name",
                                OneOf(Path(), Nothing()), None, keyword=True)  # fmt: skip


class Audio(FolderOfFiles):
    """A folder of recordings (WAV, FLAC, OGG, MP3), one folder for each class.

    A recording fills the input `float[T]` as numbers from -1 to 1, or `float[channels, T]`. It is resampled
    where its rate differs.
    """

    usage = 'audio("digits", rate=8000)'

    holds = RECORDING
    rate: int | None = setting("samples a second", Integer(1, MAX_RATE), RATE)


class ColumnNamed(Field, abstract=True):
    """What one column of the source fills."""

    column: str = ""  # its name in the source


class Files(ColumnNamed):
    """A column of file names: a picture or a recording for each row, or a mask for a target of classes."""

    usage = """
    input  photo: uint8[3, 64, 64]
    input  age: float
    output sold: binary

    seen = photo / 255 -> conv(16, 3, padding=1) -> relu -> global_avgpool
    (seen, standardize(age)) -> concat -> dense(1) -> sold

    data {
      source = csv("flats.csv")
      photo  = files("path", root="photos")
    }
    """

    column: str = setting("the column with the names", Text())
    root: str = setting("the folder that the names are relative to, itself relative to the spec", Path(), ".",
                        keyword=True)  # fmt: skip
    fit: str = setting(f"{FIT}, as of `images`", Keyword(*FITS), STRETCH, keyword=True)
    rate: int | None = setting("samples a second of recordings", OneOf(Integer(1, MAX_RATE), Nothing()), None,
                               keyword=True, shown=str(RATE))  # fmt: skip

    @property
    def holds(self) -> str:
        """What the files are, if the settings tell: recordings have a rate, and pictures another fit."""
        if self.rate is not None:
            return RECORDING
        return PICTURE if self.fit != STRETCH else ""


class PathField(ColumnNamed):
    """A folder of the path of a file, below the folder of the source: the first one for `path(1)`. For a
    table, the path is that of its first column of `files(...)`."""

    usage = """
    input  photo: uint8[1, 28, 28]
    output digit: class(10)
    output writer: class(auto)

    seen = photo / 255 -> flatten -> dense(32) -> relu
    seen -> dense(10) -> digit
    seen -> dense(writer.classes) -> writer

    data {
      source = images("letters")
      writer = path(1)
    }

    train { loss = cross_entropy(digit) + 0.1 * cross_entropy(writer) }
    """

    n: int = setting("the place of the folder in the path, from 1", Integer(1, MAX_DEPTH))


class ColumnOrFolder(OneOf):
    """The name of a column, or a folder of the path of a file."""

    def __init__(self) -> None:
        super().__init__(Text(), MemberOf("field", "a folder of a path, such as `path(1)`"))

    def accept(self, value: Any) -> Any:
        found = super().accept(value)
        if not isinstance(found, (str, PathField)):
            raise self.mismatch(value)
        return found


def fitting_types(holds: str = "") -> str:
    """What files fill, as a hint."""
    picture = (
        "a picture fills `uint8[channels, height, width]` with 1 (grey), 2 (and alpha), 3 (colour) or 4 "
        "channels, or `uint8[height, width]`"
    )
    recording = "a recording fills `float[T]`, or `float[2, T]` with the number of its channels"
    return {PICTURE: picture, RECORDING: recording}.get(holds, f"{picture}; {recording}")


def content_of(declared: Tensor, holds: str = "") -> str:
    """What a file fills a field of this type with: `PICTURE`, `MASK` or `RECORDING`; empty if it cannot.
    `holds` is what the files are, if that is known. Else `float[2, T]` takes recordings, and other types with
    two sizes take pictures."""
    numbers = declared.is_float or declared.is_integer
    if declared.element in ("class", "binary", "bool"):
        found = MASK if declared.rank == 2 else ""
    elif numbers and declared.rank == 3:
        found = PICTURE
    elif numbers and declared.rank == 2:
        any_length = not isinstance(declared.shape[1], int)
        found = holds or (RECORDING if any_length and has_channels(declared) else PICTURE)
    else:
        found = RECORDING if declared.rank == 1 else ""
    if found == RECORDING and not has_channels(declared):
        found = ""
    fits = not holds or holds == (PICTURE if found == MASK else found)
    return found if fits else ""


def has_channels(declared: Tensor) -> bool:
    """Whether a type holds the samples of a recording: real numbers, of a known number of channels."""
    return declared.is_float and all(isinstance(size, int) for size in declared.shape[:-1])


def takes_both(declared: Tensor) -> bool:
    """Whether a picture fills a field of this type, and a recording does too."""
    return bool(content_of(declared, PICTURE) and content_of(declared, RECORDING))
