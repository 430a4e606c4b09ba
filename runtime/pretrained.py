"""Pretrained weights: the files and runs of `weights = load(...)`."""

from __future__ import annotations

from dataclasses import replace
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
from dlc.runtime.weight_names import MapProblem, NameMap, View

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    import numpy as np

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.initial_state import Load

UNREADABLE = "E0808"
WRONG_MAP = "E0814"
HELP_MAP = "a map is a JSON file of names; its path is relative to the spec"
HELP_PATH = "paths are relative to the spec; `dlc train` leaves `weights.safetensors` in its run folder"


def loaded(program: CompiledProgram, loads: Iterable[Load], folder: Path) -> dict[str, np.ndarray]:
    """The weights of all files and runs by their names in the spec, without those of average nets. The later
    one wins if two have a weight."""
    found: dict[str, np.ndarray] = {}
    for load in loads:
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
    views = {name: View(tensor) for name, tensor in names.items()}
    if load.names:
        views = {name: view for name, view in views.items() if name in wanted}
        views |= mapped(load, folder, {n: w for n, w in wanted.items() if w.role != "constant"}, stored)
    places = {name: weight for name, weight in wanted.items() if name in views or load.needs(weight)}
    net = f"the net `{load.into.net}`" if load.into else ""
    what = f"{place} does not hold the weights of {net or 'this spec'}"
    made = accept(places, Views(stored, views), what=what, whose=net or "the spec", span=load.span,
                  help=name_help(load, places, views, stored))  # fmt: skip
    return {places[name].name: array for name, array in made.items()}


def mapped(load: Load, folder: Path, wanted: Mapping[str, Weight], stored: WeightFile) -> dict[str, View]:
    """What each weight gets that the map of names names."""
    assert load.names is not None
    start = f"{load.from_}." if load.from_ else ""
    types = {n.removeprefix(start): type for n, type in stored.types.items() if n.startswith(start)}
    span = load.spans.get("names", load.span)
    try:
        views = NameMap(load.names, folder / load.names).views(load, wanted, types)
    except OSError as error:
        raise CompileError.of(UNREADABLE, f"{load.names} {reading.why(error)}", span, help=HELP_MAP) from None
    except MapProblem as error:
        raise CompileError.of(WRONG_MAP, str(error), span, help=error.help) from None
    return {name: replace(view, tensor=start + view.tensor) for name, view in views.items()}


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


class Views(Given):
    """Tensors of a file under other names, and parts of them."""

    def __init__(self, file: Given, views: Mapping[str, View]) -> None:
        self._file, self._views = file, views
        of = {name: file.types[view.tensor] for name, view in views.items()}
        self.types = {name: (element, views[name].shape(shape)) for name, (element, shape) in of.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        view = self._views[name]
        return view.of(self._file[view.tensor])


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


def name_help(load: Load, wanted: Iterable[str], found: Collection[str], stored: Iterable[str]) -> str:
    """The fix for the first weight that is missing."""
    missing = next((name for name in wanted if name not in found), None)
    if missing is None:
        return ""
    if load.names:
        return f"{load.names} does not name it: add an entry that says which tensor it gets"
    start = next((n.removesuffix(f".{missing}") for n in stored if n.endswith(f".{missing}")), None)
    if start and not load.from_:
        return f'it has the net `{shorten(start)}`: write `from="{shorten(start)}"`'
    if found and not any(name in found for name in wanted):
        return 'a map gives the names of another library: `names="map.json"`'
    near = nearest(missing, stored)
    return f"the nearest name to `{missing}` there is `{shorten(near)}`" if near else ""
