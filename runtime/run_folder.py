"""The run folder: `runs/NAME/TIME/`, with the pointer `latest` next to it."""

from __future__ import annotations

import errno
import json
import os
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime import vocabulary_json
from dlc.runtime.errors import ArtifactError
from dlc.runtime.files import append, write
from dlc.runtime.loaded_types import types_to_json
from dlc.runtime.sample_files import sample_file
from dlc.runtime.strict_json import MAX_TEXT, parse
from dlc.runtime.training.history import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.metrics import CountTable
    from dlc.runtime.training.history import Epoch, Moment, PhaseEnd, Trained
    from dlc.runtime.training.training_plan import TrainingPlan

KEPT = (
    SPEC, WEIGHTS, BEST_WEIGHTS, LAST_WEIGHTS, EPOCHS, MODEL, METRICS, INFO, TABLES, DATA, ROWS, FIGURES,
    PHASES,
) = (
    "model.dl", "weights.safetensors", "best.safetensors", "last.safetensors", "epochs.json", "model.onnx",
    "metrics.jsonl", "spec.json", "tables.json", "data.json", "rows.safetensors", "figures.json",
    "phases.json",
)  # fmt: skip
LATEST = "latest"
SAMPLES = "samples"  # a folder
OTHER_FOLDER = "name another folder with `--out`"
MAX_POINTER = 255  # bytes of `latest` if it is a text file
SAVED = 2.0  # minimum seconds between two writes of improved weights


class Run:
    """The folder of one run, and a listener of its training. All files are written atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.latest_warning: Diagnostic | None = latest_warning(
            folder
        )  # the warning if `latest` cannot point to it
        self._waiting: Callable[[], Mapping[str, np.ndarray]] | None = None
        self._saved = -SAVED

    @classmethod
    def create(cls, root: Path, name: str, now: datetime | None = None) -> Run:
        """Create a folder for a run of the spec `name`. `latest` points to it as soon as it has weights.
        `CompileError` if the folder cannot be created."""
        stamp = (now or datetime.now()).strftime("%Y-%m-%dT%H-%M-%S")
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in count(1):
                with suppress(FileExistsError):
                    folder = root / name / (stamp if number == 1 else f"{stamp}-{number}")
                    folder.mkdir()
                    return cls(folder)
        except OSError as error:
            raise creation_error(root / name, error) from None
        raise AssertionError("one of so many names is free")

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, content: bytes) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write(path, content)

    def write_spec(self, program: CompiledProgram) -> None:
        """Write the spec as `model.dl`, the files that it imports, and `spec.json` with the rest of the
        program: params, classes and vocabularies found in the data, types of loaded tensors, and the paths of
        the files."""
        files = {program.source.name: SPEC}
        for source in program.sources:
            if source.name not in files:
                files[source.name] = import_path(source.name, {*files.values(), *KEPT})
        for source in program.sources:
            self.write(files[source.name], source.text.encode())
        classes = {name: {"count": c.count, "labels": c.labels} for name, c in program.facts.classes.items()}
        info = {
            "name": program.source.name,
            "params": program.overrides,
            "files": files,
            "classes": classes,
            "tensors": types_to_json(program.facts.tensors),
            "vocabularies": vocabulary_json.to_json(program.facts.vocabularies),
        }
        self.write(INFO, as_json(info))

    @contextmanager
    def with_notes(self) -> Iterator[None]:
        """Add a note to exceptions in the block: which weights the run has, and how to continue with them."""
        try:
            yield
        except Exception as error:
            if self.path(WEIGHTS).is_file():
                error.add_note(self._note(error))
            raise

    def _note(self, error: Exception) -> str:
        """Which weights a stopped run has, and the command to continue with them."""
        weights, full = self.path(WEIGHTS), isinstance(error, OSError) and error.errno == errno.ENOSPC
        kept = f"the weights are in {weights}"
        if isinstance(error, OSError) and error.filename == str(weights):
            kept = f"the weights in {weights} are those of an earlier epoch"
        go_on = how_to_export(self.folder)
        return f"make room first; {kept}; then {go_on}" if full else f"{kept}; {go_on}"

    def write_weights(self, weights: Mapping[str, np.ndarray]) -> Path:
        path = self._write_arrays(WEIGHTS, weights)
        if self.latest_warning is None:
            try:
                point(self.folder.parent / LATEST, self.folder.name)
            except OSError as error:
                self.latest_warning = latest_warning(self.folder, error)
        return path

    def _write_arrays(self, name: str, weights: Mapping[str, np.ndarray]) -> Path:
        from safetensors.numpy import save

        return self.write(name, save({name: np.asarray(w, order="C") for name, w in weights.items()}))

    # --- as a listener ------------------------------------------------------------------------------------

    def begin(self, program: CompiledProgram, plans: Sequence[TrainingPlan]) -> None:
        self.write_spec(program)

    def step(self, moment: Moment) -> None:
        """Nothing is written within an epoch."""

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        append(self.path(METRICS), as_json(epoch.record(), indent=None))
        if epoch.best:
            self._waiting = weights
        if self._waiting is not None and time.monotonic() - self._saved >= SAVED:
            self.write_weights(self._waiting())
            self._waiting, self._saved = None, time.monotonic()

    def samples(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        for name, rows in values.items():
            self.write(*sample_file(f"{SAMPLES}/{name}_{step:06}", rows))

    def phase(self, phase: PhaseEnd) -> None:
        """Write the best weights of the phase; its figures are written at the end."""
        if self._waiting is not None:
            self.write_weights(self._waiting())
            self._waiting, self._saved = None, time.monotonic()

    def end(self, trained: Trained) -> None:
        self._waiting = None
        self.write_weights(trained.weights)
        epochs = epochs_of(trained)
        for name in epochs.keys() - {WEIGHTS}:
            self._write_arrays(name, trained.other)
        self.write(EPOCHS, as_json(epochs))
        if any(phase.name for phase in trained.phases):
            ends = [
                asdict(p) | {"figures": {n: plain(f) for n, f in p.figures.items()}} for p in trained.phases
            ]
            self.write(PHASES, as_json(ends))
        if any(trained.tables.values()):
            self.write(TABLES, as_json({part: records(of) for part, of in trained.tables.items()}, None))


def epochs_of(trained: Trained) -> dict[str, int]:
    """The weight files of a training, each with the epoch of its weights."""
    epochs = {WEIGHTS: trained.kept}
    if trained.other:
        is_last = trained.kept == trained.last
        epochs |= {BEST_WEIGHTS: trained.best} if is_last else {LAST_WEIGHTS: trained.last}
    return epochs


def records(tables: Mapping[str, CountTable]) -> dict[str, Any]:
    """Tables as plain JSON values."""
    return {name: {"labels": t.labels, "counts": t.counts} for name, t in tables.items()}


def how_to_export(folder: Path) -> str:
    """The command that exports the model of a run that has only weights."""
    run, model = shlex.quote(str(folder)), shlex.quote(str(folder / MODEL))
    return f"`dlc export {run} -o {model}` makes the model of them"


def model_at(path: Path) -> Path:
    """The path of a model file: the path itself, or the model in a run folder. `ArtifactError` if there is
    none; its message says what to do."""
    path = run_at(path)
    folder = path.parent if path.name == MODEL and not path.exists() else path
    if (folder / MODEL).is_file():
        return folder / MODEL
    if (folder / INFO).is_file():
        raise ArtifactError(how_far(folder))
    if path.is_dir():
        raise ArtifactError(f"{path} is a folder, and there is no file {MODEL} in it{latest_in(path)}")
    try:
        with reading.open_file(path) as file:
            begin = file.read(1000)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"there is no file {path}") from None
    except OSError as error:
        raise ArtifactError(f"{path} {reading.why(error)}") from None
    if not begin:
        raise ArtifactError(f"{path} is empty")
    if path.suffix == ".dl" and begin.isascii() and b"\0" not in begin:
        raise ArtifactError(
            f"{path} is a spec, and a model is wanted: `dlc train {shlex.quote(str(path))}` makes one"
        )
    if reading.held(path) == reading.WEIGHTS:
        raise ArtifactError(f"{path} holds weights, and a model is wanted: {how_to_make(path)}")
    return path


def how_to_make(weights: Path) -> str:
    """The command that exports a model from a weight file."""
    if weights.name == WEIGHTS and weights.with_name(INFO).is_file():
        return how_to_export(weights.parent)
    return f"`dlc export f.dl --weights {shlex.quote(str(weights))}` makes one of them"


def parts_of(model: Path) -> list[Path]:
    """The files of a model: the model, its external weights, and the files of its run."""
    run = [model.with_name(name) for name in KEPT] if model.with_name(INFO).is_file() else []
    return [model, model.with_name(f"{model.name}.data"), *run]


def weights_of_run(run: Path, epoch: str = "best") -> Path:
    """The weights of the `best` or the `last` epoch of a run. `ArtifactError` if it has not ended."""
    path = run / {"best": BEST_WEIGHTS, "last": LAST_WEIGHTS}[epoch]
    if epoch == "last" and not (run / EPOCHS).is_file():
        raise ArtifactError(f"{run} holds no weights of its last epoch: it has not ended")
    return path if path.is_file() else run / WEIGHTS


def how_far(run: Path) -> str:
    """The state of a run without a model, and the command to continue it."""
    if (run / WEIGHTS).is_file():
        return f"{run} holds weights and no model yet: {how_to_export(run)}"
    spec = str(read_json(run / INFO).get("name", "SPEC"))
    again = f"`dlc train {shlex.quote(spec)}` begins anew"
    return f"{run} holds no weights and no model yet: {again}"


def latest_in(folder: Path) -> str:
    """A hint for a folder that contains several runs."""
    return f"; did you mean {folder / LATEST}?" if (folder / LATEST).exists() else ""


def run_at(path: Path) -> Path:
    """A path to a run or to a file in it, with `latest` resolved if it is a text file. `ArtifactError` if it
    names a folder that does not exist."""
    pointer = next((p for p in (path, path.parent) if p.name == LATEST and p.is_file()), None)
    if pointer is None:
        return path
    try:
        name = reading.read_text(pointer, MAX_POINTER).removesuffix("\n")
    except (OSError, ValueError):
        return path
    if not name.isprintable() or PurePath(name).name != name or name in ("", ".."):
        return path  # not a pointer but another file of that name
    folder = pointer.parent / name
    if not os.path.isdir(folder):
        raise ArtifactError(f"{pointer} names the run {name}, and there is no such folder beside it")
    return folder / path.relative_to(pointer)


def is_within(place: str) -> bool:
    """Whether a relative path stays within its folder."""
    return not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file of a run, empty if there is none. `ArtifactError` if it is unreadable."""
    try:
        found = parse(reading.read_text(path, MAX_TEXT))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path.parent, f"{path.name} {reading.why(error)}") from None
    except ValueError as error:
        why = "not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise unreadable(path.parent, f"{path.name} is {why}") from None
    if not isinstance(found, dict):
        raise unreadable(path.parent, f"{path.name} is not as dlc writes it")
    return found


def unreadable(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(f"{folder} is not a run that can be read: {why}")


def point(pointer: Path, name: str) -> None:
    """Make `latest` point to a folder beside it: a link, or a text file where links are not allowed."""
    unfinished = pointer.with_name(f".{pointer.name}.{os.getpid()}")
    try:
        unfinished.symlink_to(name, target_is_directory=True)
        os.replace(unfinished, pointer)
    except OSError:
        unfinished.unlink(missing_ok=True)
        write(pointer, f"{name}\n".encode())


def latest_warning(folder: Path, error: OSError | None = None) -> Diagnostic | None:
    """The warning that `latest` cannot point to a run: it is a folder, or it cannot be written."""
    pointer = folder.parent / LATEST
    if pointer.is_dir() and not pointer.is_symlink():
        why = f"{pointer} is a folder"
    elif error is not None:
        why = f"{pointer}: {(error.strerror or str(error)).lower()}"
    else:
        return None
    help = "the run itself is kept; move what is there away, and the next run makes it anew"
    return Diagnostic("W0801", f"{why}, so it does not point to this run", (), help=help)


def creation_error(folder: Path, error: OSError) -> CompileError:
    """The error that the folder of a run cannot be created."""
    way = (*reversed(folder.parents), folder)
    place = next((p for p in way if (p.is_symlink() or p.exists()) and not p.is_dir()), None)
    if place is None:
        why, help = f"{folder}: {(error.strerror or str(error)).lower()}", OTHER_FOLDER
    elif place.is_symlink():
        why = f"{place} is a link to {os.readlink(place)}, which is not a folder"
        way = "remove the link" if error.errno == errno.ELOOP else "make the folder that it leads to"
        help = f"{way}, or {OTHER_FOLDER}"
    else:
        why, help = f"{place} is not a folder", OTHER_FOLDER
    return CompileError.of("E0813", f"no run can be kept here: {why}", help=help)


def import_path(name: str, taken: set[str]) -> str:
    """The path of an imported file in the run folder: its own path, or a free path in `imports`."""
    path = PurePosixPath(name)
    if is_within(name) and str(path) not in taken:
        return str(path)
    number, place = 1, f"imports/{path.name}"
    while place in taken:
        number += 1
        place = f"imports/{path.stem}_{number}{path.suffix}"
    return place


def as_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(value, indent=indent, allow_nan=False, default=str) + "\n").encode()
