"""Values of a row as the page shows them: a text, a picture or a curve."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.training.class_texts import ClassTexts
from dlc.runtime.report.evaluations import labels_of
from dlc.runtime.report.texts import LETTERS, clipped
from dlc.runtime.sample_files import png, span
from dlc.runtime.written_numbers import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.types import Tensor

LISTED = 16  # maximum number of values of a list
SIDE = 160  # maximum pixels of the side of a picture
WIDTH, HEIGHT = 200, 48  # of a curve
CURVES = 4  # maximum number of curves of a value
LEAST = 4  # values of the shorter side of what is shown as a picture
# Colours of the classes of a mask; the first is for what counts for no class.
PALETTE = np.array([
    (128, 128, 128), (31, 41, 55), (230, 126, 34), (52, 152, 219), (46, 204, 113), (231, 76, 60),
    (155, 89, 182), (241, 196, 15), (26, 188, 156), (236, 112, 180), (149, 165, 166), (121, 85, 72),
    (63, 81, 181), (139, 195, 74), (255, 152, 0), (0, 150, 136), (233, 30, 99), (3, 169, 244),
    (205, 220, 57), (103, 58, 183),
], np.uint8)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A value under its title: a text, or a picture as a data URI, or curves as the points of polylines. A
    picture and curves have the text in its place."""

    title: str
    text: str
    picture: str = ""
    curves: tuple[str, ...] = ()


def shown(
    title: str, type: Tensor, value: np.ndarray, *, unit: str = "", columns: Sequence[str] = (),
    length: int | None = None,
) -> Shown:  # fmt: skip
    """A value of a decoded row. `unit` is what the text of its classes was cut into; `columns` are those that
    fill it, and `length` is its length if rows differ in length."""
    value = np.asarray(value)
    axis = type.free_axis
    if length is not None and axis is not None and value.ndim > axis:
        value = value[(*[slice(None)] * axis, slice(length))]
    if type.element == "class" and value.ndim < 2:
        return Shown(title, clipped(text_of_classes(type, value, unit)))
    if type.element == "class":
        return mask(title, value)
    if type.element == "string":
        return Shown(title, clipped(" ".join(map(str, value.ravel()[:LISTED].tolist()))))
    return shown_numbers(title, type, value, columns)


def shown_numbers(title: str, type: Tensor, value: np.ndarray, columns: Sequence[str]) -> Shown:
    yes_or_no = type.element in ("binary", "bool")
    of_columns = value.ndim == 1 and len(columns) == value.size
    if value.ndim < 2 and (value.size <= LISTED or of_columns):
        names = labels_of(type)
        cells = [word(v, names if yes_or_no else None) for v in value.ravel()[:LISTED].tolist()]
        if of_columns:
            cells = [f"{column} {cell}" for column, cell in zip(columns, cells, strict=False)]
        more = [f"and {value.size - LISTED} more"] if value.size > LISTED else []
        return Shown(title, clipped(", ".join([*cells, *more]), 2 * LETTERS))
    value = value.astype(np.float64)
    axes = f", {sizes(value)}," if value.ndim > 1 else ""
    text = f"{value.size:_} numbers{axes}{between(value)}"
    picture = picture_of(value) if type.free_axis is None else None
    if picture is not None:
        return Shown(title, f"a picture, {sizes(value)}", data_uri(png(picture)))
    if value.ndim == 1:
        return Shown(title, text, curves=polylines([value]))
    if value.ndim == 2 and value.size:
        series = value if value.shape[0] < value.shape[1] else value.T
        return Shown(title, text, curves=polylines(series[:CURVES]))
    return Shown(title, text)


def together(truth: Shown, answer: Shown, values: Sequence[np.ndarray]) -> Shown:
    """A target and an answer that are curves, in one box."""
    title = f"{truth.title} (blue) and {answer.title} (orange)"
    text = f"{truth.title}: {truth.text}; {answer.title}: {answer.text}"
    return Shown(title, text, curves=polylines([np.asarray(v, np.float64) for v in values]))


def word(value: float, names: Sequence[str] | None) -> str:
    """A number, or the name of yes and no."""
    if isinstance(value, float) and not np.isfinite(value):
        return "missing" if np.isnan(value) else str(value)
    if names is not None:
        return names[int(value >= 0.5)]
    return written(value, 5) if isinstance(value, float) else str(value)


def text_of_classes(type: Tensor, value: np.ndarray, unit: str = "") -> str:
    """The names of classes; a sequence as the text that it is, to its end."""
    labels = labels_of(type)
    indices = value.ravel()[: 4 * LETTERS].tolist()
    if not value.ndim:
        return named(labels, indices[0])
    if type.classes is not None and type.classes.end:
        end = len(labels) - 1
        indices = indices[: indices.index(end)] if end in indices else indices
    if type.classes is None or type.classes.names is None:
        return " ".join(named(labels, index) for index in indices if index >= 0)
    texts = ClassTexts.of(type.classes, unit)
    kept = np.array([index for index in indices if 0 <= index < len(texts.names)], np.int64)
    return texts.of_rows(kept[None], np.array([len(kept)]))[0]


def named(labels: Sequence[str], index: int) -> str:
    return labels[index] if 0 <= index < len(labels) else "missing"


# --- pictures ---------------------------------------------------------------------------------------------


def picture_of(value: np.ndarray) -> np.ndarray | None:
    """The pixels `[height, width, 3]` of numbers that are a picture, of at most `SIDE`; None if they are not.
    Other numbers of channels than three are shown by the first."""
    if value.ndim == 2:
        value = value[None]
    elif value.ndim == 3 and value.shape[2] in (1, 3) and value.shape[0] not in (1, 3):
        value = value.transpose(2, 0, 1)
    if value.ndim != 3 or min(value.shape[1:]) < LEAST:
        return None
    value = value if len(value) == 3 else value[:1]
    low, high = span(value[None])
    light = np.where(np.isfinite(value), np.clip((value - low) / (high - low), 0, 1), 0) * 255
    return small(light.round().astype(np.uint8).transpose(1, 2, 0))


def mask(title: str, value: np.ndarray) -> Shown:
    """The classes of a picture in colours."""
    text = f"the classes of {sizes(value)} entries"
    if value.ndim != 2 or not value.size:
        return Shown(title, text)
    step = -(-max(value.shape) // SIDE)
    value = value[::step, ::step]
    return Shown(title, text, data_uri(png(colour_of(value))))


def colour_of(index: np.ndarray) -> np.ndarray:
    """The colours of classes; the same again if they are very many."""
    return PALETTE[np.where(index < 0, 0, 1 + index % (len(PALETTE) - 1))]


def small(pixels: np.ndarray) -> np.ndarray:
    """Pixels `[height, width, 1 or 3]` as `[height, width, 3]`, made smaller if they are many."""
    from PIL import Image

    most = max(pixels.shape[:2])
    step = max(most // (4 * SIDE), 1)
    pixels = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))[::step, ::step])
    if max(pixels.shape[:2]) <= SIDE:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture)


def shrunk_png(content: bytes, side: int) -> str:
    """A PNG of a run as a data URI: decoded and written anew, at most `side` pixels wide and high. ValueError
    if it is none, or too large."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as picture:
            if picture.width * picture.height > 1 << 25:
                raise ValueError("the picture is too large")
            whole = picture.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a picture: {error}") from None
    whole.thumbnail((side, side))
    return data_uri(png(np.asarray(whole)))


def data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


# --- curves and texts -------------------------------------------------------------------------------------


def polylines(series: Iterable[np.ndarray]) -> tuple[str, ...]:
    """The points of polylines in a box of `WIDTH` to `HEIGHT`, with the same scale for all."""
    kept = [thinned(values[np.isfinite(values)]) for values in series]
    known = np.concatenate([[], *kept])
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return tuple(points(values, low, (high - low) or 1.0) for values in kept if values.size)


def thinned(values: np.ndarray) -> np.ndarray:
    """Of many values the lowest and the highest of each stretch."""
    if len(values) <= 2 * WIDTH:
        return values
    parts = np.array_split(values, WIDTH)
    return np.array([edge for part in parts for edge in (part.min(), part.max())])


def points(values: np.ndarray, low: float, height: float) -> str:
    x = np.linspace(1, WIDTH - 1, len(values))
    y = HEIGHT - 2 - (values - low) / height * (HEIGHT - 4)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def sizes(value: np.ndarray) -> str:
    return " x ".join(map(str, value.shape))


def between(value: np.ndarray) -> str:
    """` from 0 to 1`, of the finite numbers."""
    finite = value[np.isfinite(value)]
    return f" from {written(finite.min(), 4)} to {written(finite.max(), 4)}" if finite.size else ""
