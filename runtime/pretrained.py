"""Weights that training begins with: what `weights = load(...)` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlc.compiler.diagnostics import CompileError
from dlc.compiler.dims import number
from dlc.compiler.lower.weights import array, differences, dtype, of_another

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.compiler.ir import Weight
    from dlc.compiler.program import Program
    from dlc.compiler.training.beginning import Load

UNREADABLE = "E0808"
FLOATS = ("F64", "F32", "F16", "BF16")


def loaded(program: Program, folder: Path) -> dict[str, np.ndarray]:
    """The weights of all files, under the names of the spec; of two files with one weight the later."""
    found: dict[str, np.ndarray] = {}
    for load in program.train.weights:
        found |= read(program, load, folder)
    return found


def read(program: Program, load: Load, folder: Path) -> dict[str, np.ndarray]:
    """The weights of one file. Shapes are compared before any number is read."""
    from safetensors import SafetensorError, safe_open

    places = load.places(program.graph.weights)
    wanted = {name: tuple(map(number, w.value.type.shape)) for name, w in places.items()}
    arrays: dict[str, np.ndarray] = {}
    try:
        with safe_open(folder / load.path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  it is no dict
            shapes = {name: tuple(s.get_shape()) for name, s in slices.items()}
            problems = differences(wanted, shapes, f"the net `{load.into.net}`" if load.into else "the spec")
            problems += [f"`{n}` holds no floats" for n, s in slices.items() if s.get_dtype() not in FLOATS]
            if not problems:
                arrays = {name: array(file.get_tensor(name), dtype(w)) for name, w in places.items()}
                problems = [f"`{n}` is not finite" for n, a in arrays.items() if not np.isfinite(a).all()]
    except FileNotFoundError:
        raise unreadable(load, "there is no such file") from None
    except (SafetensorError, OSError) as error:
        raise unreadable(load, f"it is no safetensors file: {error}") from None
    if problems:
        whose = f"of the net `{load.into.net}`" if load.into else "of this spec"
        raise of_another(f"{load.path} does not hold the weights {whose}", problems, load.span,
                         help_names(load, places, slices))  # fmt: skip
    return {places[name].name: array for name, array in arrays.items()}


def help_names(load: Load, places: Mapping[str, Weight], names: Iterable[str]) -> str:
    """What to do where the file has names of the whole spec, and those of one net are wanted."""
    whole = {weight.name: name for name, weight in places.items() if weight.name != name}
    found = next((name for name in names if name in whole), None)
    if found is None:
        return ""
    return f"with `into={load.into.net}` names are without the net's own: `{whole[found]}`, not `{found}`"


def unreadable(load: Load, why: str) -> CompileError:
    help = "paths are relative to the spec; `dlc train` leaves `weights.safetensors` in its run folder"
    return CompileError.of(UNREADABLE, f"{load.path} cannot be read: {why}", load.span, help=help)
