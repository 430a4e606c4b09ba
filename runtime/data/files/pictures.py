"""Pictures and masks as arrays, decoded by Pillow."""

from __future__ import annotations

import os
import struct
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.definitions.file_sources import CROP, PAD, STRETCH
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime.data import formats
from dlc.runtime.data.data_errors import SHAPE
from dlc.runtime.data.files.bad_file import BadFile, opened_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    Box = tuple[float, float, float, float]  # left, upper, right, lower

# Formats that Pillow does not decode itself: other programs would have to (EPS runs Ghostscript).
NOT_DECODED = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
FIRST = ("JPEG", "PNG", "GIF", "BMP", "PPM")  # formats whose decoders are loaded with Pillow
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # by the number of channels
ALPHA = ("LA", "PA", "La", "RGBA", "RGBa")
GREYS = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N")
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # of EXIF; by a quarter
# What Pillow raises for damaged EXIF data.
OF_EXIF = (SyntaxError, ValueError, TypeError, KeyError, ArithmeticError, struct.error)
DEEP = 65_535  # white of 16 bits
WHITE = 255


@dataclass(frozen=True)
class PictureReader:
    """Pictures as uint8 `[channels, height, width]`. None for `channels`, or for `height` and `width`, keeps
    those of the file."""

    channels: int | None
    height: int | None
    width: int | None
    fit: str = STRETCH

    def read(self, path: str, *beside: str) -> np.ndarray:
        """The picture of a file. `BadFile` if it cannot be decoded."""
        with opened(path) as image:
            image = with_channels(upright(image), self.channels)
            if self.height is not None and self.width is not None:
                image = fitted(image, self.height, self.width, self.fit)
            array = np.asarray(image)
        return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


@dataclass(frozen=True)
class MaskReader:
    """Masks as integers `[height, width]`: palette indices or grey values. None for `height` and `width`
    keeps those of the file. `outside` fills the border that `pad` adds. With `binary`, white is 1."""

    height: int | None
    width: int | None
    fit: str = STRETCH
    outside: int = 0
    binary: bool = False

    def read(self, path: str, *beside: str) -> np.ndarray:
        """The mask of a file, which has the proportions of the picture `beside` it. `BadFile` if it cannot be
        decoded."""
        with opened(path) as image:
            values = indices(upright(image))
        for picture in beside:
            check_proportions(values.shape, picture)
        if self.binary:
            values = np.where(values == WHITE, 1, values).astype(values.dtype)
        if self.height is None or self.width is None:
            return values
        return nearest(values, self.height, self.width, self.fit, self.outside)


# --- opening ----------------------------------------------------------------------------------------------


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """The first frame of a picture. Whatever fails while it is decoded is a `BadFile`."""
    from PIL import Image, UnidentifiedImageError

    with opened_file(path) as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of large pictures, and of damaged metadata
                with Image.open(file, formats=_formats()) as image:
                    yield image
        except BadFile:
            raise
        except UnidentifiedImageError:
            raise _no_picture(path) from None
        except Image.DecompressionBombError:
            raise BadFile("has more pixels than Pillow decodes", "make it smaller") from None
        except MemoryError:
            raise BadFile("does not fit in memory", "make it smaller") from None
        except Exception as error:  # noqa: BLE001  decoders raise errors of any kind
            raise BadFile(f"is damaged: {shorten(_said(error), 120)}") from None


def _formats() -> list[str]:
    """The formats that are tried, the usual ones first."""
    from PIL import Image

    if len(Image.ID) <= len(FIRST) + 1:
        Image.init()
    return [*FIRST, *(name for name in Image.ID if name not in FIRST and name not in NOT_DECODED)]


def _no_picture(path: str) -> BadFile:
    """The error for a file that no decoder knows."""
    with suppress(OSError), reading.open_file(path) as file:
        head = file.read(4096)
        if not head:
            return BadFile("is empty")
        why, help = formats.of_another_kind(head, os.path.basename(path), in_spec=False)
        if why in (formats.TEXT, formats.BINARY):
            return BadFile("is no picture", help)
    return BadFile("is no picture that Pillow reads")


def _said(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def upright(image: Any) -> Any:
    """The decoded picture, turned as its EXIF data says."""
    from PIL import ImageOps

    image.load()
    with suppress(*OF_EXIF):
        ImageOps.exif_transpose(image, in_place=True)
    return image


def upright_size(image: Any) -> tuple[int, int]:
    """The width and height of the picture once it is upright, without decoding it."""
    with suppress(*OF_EXIF):
        if image.getexif().get(ORIENTATION) in TURNED:
            return image.height, image.width
    return image.size


# --- channels ---------------------------------------------------------------------------------------------


def with_channels(image: Any, channels: int | None) -> Any:
    """The picture with 1 to 4 channels of 8 bits: grey, grey and alpha, colours, colours and alpha."""
    image = of_eight_bits(image)
    wanted = image.mode if channels is None else MODES[channels]
    if image.mode == wanted:
        return image
    if image.mode in ALPHA and wanted not in ALPHA:
        image = on_white(image)
    return image if image.mode == wanted else image.convert(wanted)


def of_eight_bits(image: Any) -> Any:
    """The picture in one of `MODES`."""
    from PIL import Image

    if image.mode.startswith("I"):
        values = deep_values(image)
        return Image.fromarray(((values * WHITE + DEEP // 2) // DEEP).astype(np.uint8))
    if image.mode == "F":
        raise BadFile("holds floating-point numbers, whose range is not known",
                      "write pictures of 8 or 16 bits, or arrays to an npz file")  # fmt: skip
    transparent = image.mode in ALPHA or "transparency" in image.info
    grey = image.mode in GREYS
    wanted = MODES[(1 if grey else 3) + transparent]
    return image if image.mode == wanted else image.convert(wanted)


def deep_values(image: Any) -> np.ndarray:
    """The values of a picture of 16 bits, which some formats store in 32."""
    values = np.asarray(image).astype(np.int64)
    if values.size and not 0 <= values.min() <= values.max() <= DEEP:
        raise BadFile("holds numbers of more than 16 bits", "write arrays to an npz file")
    return values


def on_white(image: Any) -> Any:
    """A picture without alpha: what shines through is white."""
    from PIL import Image

    colours = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours).convert("RGB")


def indices(image: Any) -> np.ndarray:
    """The palette indices or grey values of a mask `[height, width]`."""
    if image.mode.startswith("I"):
        return deep_values(image).astype(np.int32)
    if image.mode in ("1", "L", "P"):
        return np.asarray(image).astype(np.uint8)
    values = np.asarray(of_eight_bits(image))
    colours = values[..., : 3 if values.shape[2] > 2 else 1]
    if (colours != colours[..., :1]).any():
        raise BadFile("is a mask with colours, and classes are grey values or palette indices",
                      "write the class number of each pixel as a grey value")  # fmt: skip
    return np.ascontiguousarray(colours[..., 0])


def check_proportions(shape: tuple[int, ...], picture: str) -> None:
    """Refuse a mask with other proportions than its picture."""
    with opened(picture) as image:
        width, height = upright_size(image)
    if abs(shape[0] * width - shape[1] * height) >= max(width, height, *shape):
        sizes = f"{shape[1]} x {shape[0]} pixels, and its picture has {width} x {height}"
        raise BadFile(f"has {sizes}", "a mask has the proportions of its picture", SHAPE)


# --- sizes ------------------------------------------------------------------------------------------------


def fitted(image: Any, height: int, width: int, fit: str) -> Any:
    """The picture in this size, by `resize` of Pillow: bilinear, with antialiasing."""
    from PIL import Image

    if image.size == (width, height):
        return image
    inner = contained(image.height, image.width, height, width) if fit == PAD else (height, width)
    box = middle(image.height, image.width, height, width) if fit == CROP else None
    made = image.resize(inner[::-1], Image.Resampling.BILINEAR, box)
    if inner == (height, width):
        return made
    whole = Image.new(image.mode, (width, height))
    upper, left = margins(inner, height, width)
    whole.paste(made, (left, upper))
    return whole


def nearest(values: np.ndarray, height: int, width: int, fit: str, outside: int) -> np.ndarray:
    """A mask in this size. Each pixel is the one of the file in which its centre lies."""
    high, wide = values.shape
    inner = contained(high, wide, height, width) if fit == PAD else (height, width)
    box = middle(high, wide, height, width) if fit == CROP else (0, 0, wide, high)
    rows, columns = places(box[1], box[3], inner[0], high), places(box[0], box[2], inner[1], wide)
    made = values[np.ix_(rows, columns)]
    if inner == (height, width):
        return made
    whole = np.full((height, width), outside, np.result_type(values, np.min_scalar_type(outside)))
    y, x = margins(inner, height, width)
    whole[y : y + inner[0], x : x + inner[1]] = made
    return whole


def places(first: float, last: float, count: int, size: int) -> np.ndarray:
    """The pixels in which the centres of `count` equal parts between two edges lie."""
    centres = first + (np.arange(count) + 0.5) * ((last - first) / count)
    return np.clip(np.floor(centres).astype(np.int64), 0, size - 1)


def contained(height: int, width: int, most_high: int, most_wide: int) -> tuple[int, int]:
    """The height and width of the largest picture of these proportions within a frame."""
    scale = min(most_high / height, most_wide / width)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def middle(height: int, width: int, wanted_height: int, wanted_width: int) -> Box:
    """The largest part in the middle of a picture that has the proportions wanted."""
    scale = min(height / wanted_height, width / wanted_width)
    high, wide = wanted_height * scale, wanted_width * scale
    left, upper = (width - wide) / 2, (height - high) / 2
    return left, upper, left + wide, upper + high


def margins(inner: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """The rows above and the columns to the left of what stands in the middle of a frame."""
    return (height - inner[0]) // 2, (width - inner[1]) // 2
