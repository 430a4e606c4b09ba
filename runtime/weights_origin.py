"""The origin of the weights of a run. The run folder keeps it, so that the artifact can be written again,
identical in every byte, without the data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.definitions.sections import PARTS
from dlc.compiler.passes.lengths import length_name
from dlc.runtime.artifact.export import REAL_ROWS
from dlc.runtime.artifact.metadata import are_units, names_of_columns
from dlc.runtime.data.columns.encode import dtype_of
from dlc.runtime.loaded_tensors import fingerprint
from dlc.runtime.run_folder import DATA, FIGURES, ROWS, WEIGHTS, as_json, read_json, unreadable
from dlc.runtime.strict_json import is_dict_of
from dlc.runtime.training.history import plain
from dlc.runtime.weight_files import WeightFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor
    from dlc.runtime.data import Dataset
    from dlc.runtime.run_writer import Run
    from dlc.runtime.training.history import Trained

ENDS = "/ends"  # the end of the name of where texts end; no field has such a name


@dataclass(frozen=True)
class Origin:
    """The fingerprint of the data, the columns that fill each field, what its texts are cut into, the figures
    of the training, and some rows of the data for the parity check: decoded, by input."""

    rows: Mapping[str, np.ndarray] | None = None
    fingerprint: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)


def origin_of(dataset: Dataset | None, tensors: Mapping[str, np.ndarray]) -> Origin:
    """The origin that is known before training. `tensors` are those that the spec loads."""
    if dataset is None:
        return Origin(fingerprint=fingerprint("", tensors))
    return Origin(
        real_rows(dataset), fingerprint(dataset.fingerprint, tensors), dataset.columns, dataset.units
    )


def real_rows(dataset: Dataset) -> Mapping[str, np.ndarray] | None:
    """Rows for the parity check: test rows, else validation rows, else training rows; with their lengths."""
    parts = dict(dataset.parts())
    rows = next((parts[p] for p in reversed(PARTS) if p in parts), None)
    if rows is None or rows.drawn or not rows.count:
        return None
    [batch] = rows.batches([min(REAL_ROWS, rows.count)], [*rows.types, *rows.length_names.values()])
    return batch


def figures_of(trained: Trained) -> dict[str, Any]:
    """Loss and metrics of each part as JSON values."""
    return {part: plain(figures) for part, figures in trained.figures.items()}


# --- in the run folder ------------------------------------------------------------------------------------


def write_origin(run: Run, program: CompiledProgram, origin: Origin) -> None:
    """Write the origin that is known before training, with the rows of the parity check, without targets."""
    from safetensors.numpy import save

    of_data = {"fingerprint": origin.fingerprint, "columns": origin.columns, "units": origin.units}
    run.write(DATA, as_json(of_data))
    rows = origin.rows or {}
    names = [name for input in kept_types(program) for name in (input, length_name(input))]
    kept: dict[str, np.ndarray] = {}
    for name in (name for name in names if name in rows):
        array = rows[name]
        kept |= as_bytes(name, array) if array.dtype == object else {name: array.copy(order="C")}
    if kept:
        run.write(ROWS, save(kept))


def write_figures(run: Run, trained: Trained) -> None:
    """Write the figures of the weights. The weights have to be in the folder."""
    run.write(FIGURES, as_json({"weights": digest(run.path(WEIGHTS)), "figures": figures_of(trained)}))


def read_origin(folder: Path, program: CompiledProgram, *, own: bool) -> Origin:
    """The origin that a run has kept. For weights that are not its `own`, only the columns and the rows."""
    data = read_json(folder / DATA)
    columns, units, fingerprint = data.get("columns", {}), data.get("units", {}), data.get("fingerprint", "")
    named = is_dict_of(columns, list) and all(map(names_of_columns, columns.values()))
    if not (named and are_units(units) and isinstance(fingerprint, str)):
        raise unreadable(folder, f"{DATA} is not as dlc writes it")
    of_any = Origin(read_rows(folder, program), columns=columns, units=units)
    if not own:
        return of_any
    measured = read_json(folder / FIGURES)
    figures = measured.get("figures", {})
    if not isinstance(figures, dict):
        raise unreadable(folder, f"{FIGURES} is not as dlc writes it")
    changed = measured and measured.get("weights") != digest(folder / WEIGHTS)
    return of_any if changed else replace(of_any, fingerprint=fingerprint, figures=figures)


def read_rows(folder: Path, program: CompiledProgram) -> dict[str, np.ndarray] | None:
    if not (folder / ROWS).is_file():
        return None
    types = kept_types(program)
    try:
        rows = WeightFile(folder / ROWS)
        kept = {name: read_texts(rows, name) if types[name].element == "string" else rows[name]
                for name in rows if name in types}  # fmt: skip
        lengths = {own: rows[own] for name in kept if (own := length_name(name)) in rows.types}
    except (ValueError, TypeError, KeyError):  # an element type that NumPy does not have
        raise unreadable(folder, f"{ROWS} is not as dlc writes it") from None
    sound = all(fits(types[name], array) for name, array in kept.items())
    sound = sound and all(are_lengths(types[n], kept[n], lengths.get(length_name(n))) for n in kept)
    axes = {(str(size), found) for name, array in kept.items()
            for size, found in zip(("rows", *types[name].shape), array.shape, strict=False)}  # fmt: skip
    if not sound or len(axes) != len(dict(axes)):  # an axis of one name has one length
        raise unreadable(folder, f"{ROWS} holds no rows of its spec")
    return kept | lengths


def kept_types(program: CompiledProgram) -> dict[str, Tensor]:
    """The types of the rows that are kept: of inputs, and of the tokens that are inputs of the artifact."""
    tokens = [node.results[0] for node in program.readers if node.operator.outside]
    return {i.name: i.declared for i in program.inputs} | {value.name: value.type for value in tokens}


def as_bytes(name: str, texts: np.ndarray) -> dict[str, np.ndarray]:
    """Texts as arrays of bytes: all of them, and where each one ends, in the shape of the texts."""
    encoded = [str(text).encode() for text in texts.ravel()]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64).reshape(texts.shape)
    return {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}{ENDS}": ends}


def read_texts(rows: WeightFile, name: str) -> np.ndarray:
    """Texts from their bytes. ValueError if `as_bytes` does not write them so."""
    content, shaped = rows[name], rows[f"{name}{ENDS}"]
    ends = np.concatenate([[0], shaped.ravel()])
    sound = content.dtype == np.uint8 and content.ndim == 1 and shaped.dtype == np.int64
    if not sound or ends[-1] != content.size or (np.diff(ends) < 0).any():
        raise ValueError("these are not texts")
    whole = content.tobytes()
    texts = [whole[start:end].decode() for start, end in pairwise(ends.tolist())]
    return np.array(texts, object).reshape(shaped.shape)


def are_lengths(type: Tensor, rows: np.ndarray, lengths: np.ndarray | None) -> bool:
    """Whether these may be the lengths of rows, if there are any."""
    if lengths is None:
        return True
    axis = type.free_axis
    if axis is None or lengths.dtype != np.int64 or lengths.shape != rows.shape[:1]:
        return False
    return bool(((lengths >= 0) & (lengths <= rows.shape[axis + 1])).all())


def fits(type: Tensor, rows: np.ndarray) -> bool:
    """Whether rows have a type: rank, dtype, sizes and class indices, as the parity check requires."""
    shape = rows.shape[1:]
    if rows.ndim != type.rank + 1 or not len(rows) or rows.dtype != row_dtype(type):
        return False
    if any(isinstance(size, int) and size != found for size, found in zip(type.shape, shape, strict=True)):
        return False
    count = type.classes.count if type.classes else None
    return not isinstance(count, int) or bool(((rows >= -1) & (rows < count)).all())


def row_dtype(type: Tensor) -> np.dtype:
    return np.dtype(object) if type.element == "string" else dtype_of(type.element)


def digest(path: Path) -> str:
    with reading.open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
