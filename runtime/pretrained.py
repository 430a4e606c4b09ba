"""Pretrained weights: the files and runs of `weights = load(...)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.suggest import did_you_mean, nearest
from dlc.compiler.lower.given_weights import Given, accept, weights_of
from dlc.compiler.lower.initial_weights import check_known
from dlc.runtime.errors import ArtifactError
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.run_folder import LATEST, WEIGHTS, run_at, weights_of_run
from dlc.runtime.weight_files import WeightFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.initial_state import Load

UNREADABLE = "E0808"
HELP_PATH = "paths are relative to the spec; `dlc train` leaves `weights.safetensors` in its run folder"


def loaded(program: CompiledProgram, folder: Path) -> dict[str, np.ndarray]:
    """The weights of all files and runs by their names in the spec, without those of average nets. The later
    one wins if two have a weight."""
    found: dict[str, np.ndarray] = {}
    for load in program.train.weights:
        found |= read(program, load, folder)
    return {w.name: found[w.name] for w in program.graph.weights if w.name in found and not w.follows}


def read(program: CompiledProgram, load: Load, folder: Path) -> dict[str, np.ndarray]:
    """The weights of one `load` of the spec. Constants have their own files, and are not read."""
    stored, wanted = opened(load, folder), load.wanted(program.graph.weights)
    constants = {w.name for w in program.graph.weights if w.role == "constant"}
    names = {n: s for n, s in load.found(stored, wanted).items() if s not in constants}
    place = f"the net `{load.from_}` of {load.path}" if load.from_ else load.path
    if load.from_ and not names:
        nets = dict.fromkeys(name.split(".")[0] for name in stored)
        help = did_you_mean(load.from_, nets) or (f"it has {listed(nets)}" if nets else "")
        message = f"{load.path} has no weights of a net `{load.from_}`"
        raise CompileError.of("E0803", message, load.span, help=help)
    places = {name: weight for name, weight in wanted.items() if name in names or load.needs(weight)}
    net = f"the net `{load.into.net}`" if load.into else ""
    what = f"{place} does not hold the weights of {net or 'this spec'}"
    made = accept(places, RenamedWeights(stored, names), what=what, whose=net or "the spec", span=load.span,
                  help=name_help(load, places, names, stored))  # fmt: skip
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


class RenamedWeights(Given):
    """Some tensors of a file under other names."""

    def __init__(self, file: Given, names: Mapping[str, str]) -> None:
        self._file, self._names = file, names
        self.types = {name: file.types[stored] for name, stored in names.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        return self._file[self._names[name]]


def opened(load: Load, folder: Path) -> WeightFile:
    """The file that the spec names, or the best weights of the run that it names."""
    file = f"{load.path.rstrip('/')}/{WEIGHTS}" if load.is_run else load.path
    try:
        run = run_at(folder / load.path)
        return WeightFile(weights_of_run(run) if load.is_run else run)
    except ArtifactError as error:
        why = f"is not there: {shorten(error, 200)}"
    except OSError as error:
        why = reading.why(error)
    except ValueError as error:
        why = f"cannot be read: {error}"
    latest = f"{load.path.rstrip('/')}/{LATEST}"
    help = f'did you mean `"{latest}"`?' if load.is_run and (folder / latest).is_dir() else HELP_PATH
    raise CompileError.of(UNREADABLE, f"{file} {why}", load.span, help=help)


def name_help(load: Load, wanted: Iterable[str], found: Mapping[str, str], stored: Iterable[str]) -> str:
    """The fix for the first weight that is missing."""
    missing = next((name for name in wanted if name not in found), None)
    if missing is None:
        return ""
    start = next((n.removesuffix(f".{missing}") for n in stored if n.endswith(f".{missing}")), None)
    if start and not load.from_:
        return f'it has the net `{shorten(start)}`: write `from="{shorten(start)}"`'
    near = nearest(missing, stored)
    return f"the nearest name to `{missing}` there is `{shorten(near)}`" if near else ""
