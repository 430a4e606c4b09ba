"""Pretrained weights: the files of `weights = load(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.lower.given_weights import accept, weights_of
from dlc.compiler.lower.initial_weights import check_known
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.run_folder import run_at
from dlc.runtime.weight_files import WeightFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.initial_state import Load

UNREADABLE = "E0808"
HELP_PATH = "paths are relative to the spec; `dlc train` leaves `weights.safetensors` in its run folder"


def loaded(program: CompiledProgram, folder: Path) -> dict[str, np.ndarray]:
    """The weights of all files by their names in the spec. If two files have a weight, the later one wins."""
    found: dict[str, np.ndarray] = {}
    for load in program.train.weights:
        found |= read(program, load, folder)
    return found


def read(program: CompiledProgram, load: Load, folder: Path) -> dict[str, np.ndarray]:
    """The weights of one `load` of the spec. The file may leave out constants, which have their own files."""
    stored = opened(load, folder)
    named = load.weights_in_file(program.graph.weights).items()
    places = {name: weight for name, weight in named if weight.role != "constant" or name in stored.types}
    net = f"the net `{load.into.net}`" if load.into else ""
    what = f"{load.path} does not hold the weights of {net or 'this spec'}"
    help = help_names(load, places, stored)
    made = accept(places, stored, what=what, whose=net or "the spec", span=load.span, help=help)
    return {places[name].name: array for name, array in made.items()}


def weights_at(path: Path, program: CompiledProgram, folder: Path) -> dict[str, np.ndarray]:
    """The weights of a program in this folder, from a file that may leave out constants. OSError if it cannot
    be opened, ValueError if it has another format."""
    stored, wanted = WeightFile(run_at(path)), weights_of(program.graph)
    check_known(program.graph, stored)
    trained = (name for name, weight in wanted.items() if weight.role != "constant")
    constants = tensors_of(program, folder, {*stored, *trained})
    wanted = {name: weight for name, weight in wanted.items() if name not in constants}
    accepted = accept(wanted, stored, what=f"{path} does not hold the weights of this spec")
    return constants | accepted


def opened(load: Load, folder: Path) -> WeightFile:
    """The file that the spec names."""
    try:
        return WeightFile(run_at(folder / load.path))
    except (OSError, ValueError) as error:
        why = reading.why(error) if isinstance(error, OSError) else f"cannot be read: {error}"
        raise CompileError.of(UNREADABLE, f"{load.path} {why}", load.span, help=HELP_PATH) from None


def help_names(load: Load, places: Mapping[str, Weight], names: Iterable[str]) -> str:
    """The fix for a file with the names of the whole spec where those of one net are expected."""
    whole = {weight.name: name for name, weight in places.items() if weight.name != name}
    found = next((name for name in names if name in whole), None)
    if found is None:
        return ""
    return f"with `into={load.into.net}` names are without the net's own: `{whole[found]}`, not `{found}`"
