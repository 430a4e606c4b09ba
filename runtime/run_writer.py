"""Writing the run folder `runs/NAME/TIME/`, with the pointer `latest` next to it."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime import vocabulary_json
from dlc.runtime.errors import ArtifactError
from dlc.runtime.files import append, locked, write
from dlc.runtime.loaded_types import types_to_json
from dlc.runtime.run_folder import (
    ANSWERS,
    BEST_WEIGHTS,
    EPOCHS,
    FIGURES,
    INFO,
    KEPT,
    LAST_WEIGHTS,
    LATEST,
    METRICS,
    PHASES,
    RUN,
    SPEC,
    STATISTICS,
    TABLES,
    WEIGHTS,
    as_json,
    has_states,
    how_to_export,
    how_to_resume,
    is_within,
    read_json,
    read_lines,
    records,
)
from dlc.runtime.sample_files import sample_file
from dlc.runtime.training.history import Listener, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.training.history import Epoch, PhaseEnd, Trained
    from dlc.runtime.training.training_plan import TrainingPlan

SAMPLES = "samples"  # a folder
OTHER_FOLDER = "name another folder with `--out`"
DIVERGED = "E0802"
SAVED = 2.0  # minimum seconds between two writes of improved weights


class Run(Listener):
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

    def write_how(self, **facts: Any) -> None:
        """Write facts about how it ran into `run.json`, beside those that are there."""
        self.write(RUN, as_json(read_json(self.path(RUN)) | facts))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A context in which no other process can train the run. `ArtifactError` if one does."""
        with locked(self.folder) as is_free:
            if not is_free:
                raise ArtifactError(f"{self.folder} is trained by another process, which has not ended")
            yield

    @contextmanager
    def with_notes(self) -> Iterator[None]:
        """Add a note to exceptions in the block: which weights the run has, and how to continue with them;
        or how to resume the run; and the diagnosis of a training that diverged."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, CompileError) and any(d.code == DIVERGED for d in error.diagnostics):
                self._add_diagnosis(error)
            if has_states(self.folder) and not isinstance(error, CompileError):
                error.add_note(how_to_resume(self.folder))
            elif self.path(WEIGHTS).is_file():
                error.add_note(self._note(error))
            raise

    def _add_diagnosis(self, error: CompileError) -> None:
        """Add the diagnosis of the run to an error, in a line."""
        from dlc.runtime.diagnosis import diagnose, summary
        from dlc.runtime.run_record import read_record

        if told := summary(diagnose(read_record(self.folder)), self.folder):
            error.add_note(f"diagnosis: {told}")

    def _note(self, error: BaseException) -> str:
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

    def begin(
        self, program: CompiledProgram, plans: Sequence[TrainingPlan], history: Sequence[Epoch] = ()
    ) -> None:
        """Write the spec, and the records of the epochs that the run has: those after the state from which it
        was resumed are written again."""
        how = read_json(self.path(RUN))
        self._began, self._seconds = time.monotonic(), float(how.get("seconds", 0))
        begun = how.get("begun") or datetime.now().astimezone().isoformat(timespec="seconds")
        self.write_how(begun=begun, ended="running", seconds=self._seconds)
        self.write_spec(program)
        if history or self.path(METRICS).exists():
            self.write(METRICS, b"".join(as_json(epoch.record(), indent=None) for epoch in history))
        if self.path(STATISTICS).exists():
            kept = [r for r in read_lines(self.folder, STATISTICS) if r.get("epoch", 0) <= len(history)]
            self.write(STATISTICS, b"".join(as_json(record, indent=None) for record in kept))

    def statistics(self, record: Mapping[str, Any]) -> None:
        append(self.path(STATISTICS), as_json(record, indent=None))

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        append(self.path(METRICS), as_json(epoch.record(), indent=None))
        if epoch.best:
            self._waiting = weights
        if self._waiting is not None and time.monotonic() - self._saved >= SAVED:
            self._write_waiting(self._waiting)

    def samples(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        for name, rows in values.items():
            self.write(*sample_file(f"{SAMPLES}/{name}_{step:06}", rows))

    def phase(self, phase: PhaseEnd) -> None:
        """Write the best weights of the phase; its figures are written at the end."""
        if self._waiting is not None:
            self._write_waiting(self._waiting)

    def _write_waiting(self, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Write the best weights so far, without the files of an earlier end of a resumed run, which are of
        other weights."""
        self._remove(EPOCHS, BEST_WEIGHTS, LAST_WEIGHTS, FIGURES, ANSWERS, TABLES, PHASES)
        self.write_weights(weights())
        self._waiting, self._saved = None, time.monotonic()

    def _remove(self, *names: str) -> None:
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def end(self, trained: Trained) -> None:
        self._waiting = None
        self.write_weights(trained.weights)
        epochs = epochs_of(trained)
        for name in epochs.keys() - {WEIGHTS}:
            self._write_arrays(name, trained.other)
        self._remove(*{BEST_WEIGHTS, LAST_WEIGHTS} - epochs.keys())  # of an earlier end of a resumed run
        self.write(EPOCHS, as_json(epochs))
        self.write_how(ended=trained.ended, seconds=self._seconds + time.monotonic() - self._began)
        if any(phase.name for phase in trained.phases):
            ends = [
                asdict(p) | {"figures": {n: plain(f) for n, f in p.figures.items()}} for p in trained.phases
            ]
            self.write(PHASES, as_json(ends))
        if any(trained.answers.values()):
            self.write(ANSWERS, as_json(trained.answers, None))
        if any(trained.tables.values()):
            self.write(TABLES, as_json({part: records(of) for part, of in trained.tables.items()}, None))


def epochs_of(trained: Trained) -> dict[str, int]:
    """The weight files of a training, each with the epoch of its weights."""
    epochs = {WEIGHTS: trained.kept}
    if trained.other:
        is_last = trained.kept == trained.last
        epochs |= {BEST_WEIGHTS: trained.best} if is_last else {LAST_WEIGHTS: trained.last}
    return epochs


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
