"""The folder of a run: `runs/NAME/TIME/`, and `latest` beside it."""

from __future__ import annotations

import json
import os
import posixpath
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import read_source, reading
from dlc.compiler.diagnostics import CompileError, Diagnostic
from dlc.compiler.program import Facts
from dlc.compiler.types import Classes
from dlc.runtime import memory, pretrained
from dlc.runtime.strict_json import MAX_TEXT, all_are, is_table, is_whole, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlc.compiler.program import Program
    from dlc.compiler.source import Source
    from dlc.compiler.training.metrics import Table
    from dlc.runtime.history import Epoch, Trained
    from dlc.runtime.plans import Plan

SPEC, WEIGHTS, MODEL, METRICS, INFO, TABLES = KEPT = (
    "model.dl", "weights.safetensors", "model.onnx", "metrics.jsonl", "spec.json", "tables.json",
)  # fmt: skip
LATEST = "latest"
OTHER_FOLDER = "name another folder with `--out`"
MAX_POINTER = 4096  # bytes of `latest` where it is a text
SAVED = 2.0  # seconds between two savings of weights that got better, at least


class Run:
    """One run's folder; a listener of the training. Every file is written under another name
    and then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unpointed: Diagnostic | None = unpointed(folder)  # the warning where `latest` cannot point to it
        self._waiting: Callable[[], Mapping[str, np.ndarray]] | None = None
        self._saved = -SAVED

    @classmethod
    def create(cls, root: Path, name: str, now: datetime | None = None) -> Run:
        """A new folder for a run of the spec of this name. `latest` points to it once it holds weights.
        `CompileError` if no folder can be made there."""
        stamp = (now or datetime.now()).strftime("%Y-%m-%dT%H-%M-%S")
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
            for number in count(1):
                with suppress(FileExistsError):
                    folder = root / name / (stamp if number == 1 else f"{stamp}-{number}")
                    folder.mkdir()
                    return cls(folder)
        except OSError as error:
            raise unmade(root / name, error) from None
        raise AssertionError("one of so many names is free")

    def path(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, content: bytes) -> Path:
        return write(self.folder / name, content)

    def write_spec(self, program: Program) -> None:
        """The spec as `model.dl`, the files that it imports, and in `spec.json` what else made the program:
        params, classes that were learnt, and which file is where."""
        files = {program.source.name: SPEC}
        for source in program.sources:
            if source.name not in files:
                files[source.name] = place_for(source.name, {*files.values(), *KEPT})
        for source in program.sources:
            self.write(files[source.name], source.text.encode())
        classes = {name: {"count": c.count, "names": c.names} for name, c in program.facts.classes.items()}
        info = {
            "name": program.source.name,
            "params": dict(program.params),
            "files": files,
            "classes": classes,
        }
        self.write(INFO, as_json(info))

    def write_weights(self, weights: Mapping[str, np.ndarray]) -> Path:
        from safetensors.numpy import save

        path = self.write(WEIGHTS, save({name: np.asarray(w, order="C") for name, w in weights.items()}))
        if self.unpointed is None:
            try:
                point(self.folder.parent / LATEST, self.folder.name)
            except OSError as error:
                self.unpointed = unpointed(self.folder, error)
        return path

    # --- as a listener ------------------------------------------------------------------------------------

    def begin(self, program: Program, plan: Plan) -> None:
        self.write_spec(program)

    def step(self, step: int) -> None:
        """Nothing is written within an epoch."""

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        with open(self.folder / METRICS, "ab") as lines:
            lines.write(as_json(epoch.record(), indent=None))
        if epoch.best:
            self._waiting = weights
        if self._waiting is not None and time.monotonic() - self._saved >= SAVED:
            self.write_weights(self._waiting())
            self._waiting, self._saved = None, time.monotonic()

    def end(self, trained: Trained) -> None:
        self._waiting = None
        self.write_weights(trained.weights)
        if any(trained.tables.values()):
            self.write(TABLES, as_json({part: records(of) for part, of in trained.tables.items()}, None))


def records(tables: Mapping[str, Table]) -> dict[str, Any]:
    """Tables as plain values that JSON knows."""
    return {name: {"labels": t.labels, "counts": t.counts} for name, t in tables.items()}


def latest(root: Path, name: str) -> Path | None:
    """The folder of the latest run that got as far as weights."""
    pointer = root / name / LATEST
    if pointer.is_symlink() or not pointer.is_file():
        return pointer.resolve() if pointer.is_dir() else None
    folder = root / name / PurePosixPath(reading.read_text(pointer, MAX_POINTER).strip()).name
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Spec:
    """The spec of a run: what `dlc.compiler.compile` takes."""

    source: Source
    params: Mapping[str, Any]
    facts: Facts
    read: Callable[[Source, str], Source]


def read_spec(folder: Path) -> Spec:
    """The spec as it was run; imports are read from the folder, wherever they came from.
    OSError and ValueError if it is no folder of a run."""
    info = read_info(folder)

    def read(importing: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
        if name not in info["files"]:
            raise FileNotFoundError(2, "not among the files of the run", name)
        return read_source(folder / info["files"][name], name)

    classes = {
        n: Classes(c["count"], tuple(c["names"]) if c.get("names") else None)
        for n, c in info["classes"].items()
    }
    return Spec(read_source(folder / SPEC, info["name"]), info["params"], Facts(classes), read)


def read_info(folder: Path) -> dict[str, Any]:
    """What `write_spec` wrote. OSError, or ValueError if it is not laid out that way."""
    try:
        info = parse(reading.read_text(folder / INFO, MAX_TEXT))
    except ValueError as error:
        raise ValueError(f"{INFO} is {error}") from None
    tables = (("params", object), ("files", str), ("classes", dict))
    sound = isinstance(info, dict) and isinstance(info.get("name"), str)
    if not sound or not all(is_table(info.get(key), kind) for key, kind in tables):
        raise ValueError(f"{INFO} is not as dlc writes it")
    for classes in info["classes"].values():
        names, number = classes.get("names"), classes.get("count")
        if not (is_whole(number) and number > 0 and (names is None or is_list_of_names(names, number))):
            raise ValueError(f"{INFO} tells of classes that are none")
    if not all(is_within(place) for place in info["files"].values()):
        raise ValueError(f"{INFO} tells of files outside of the folder")
    return info


def is_list_of_names(names: Any, number: int) -> bool:
    return isinstance(names, list) and all_are(str, names) and len(names) == number


def is_within(place: str) -> bool:
    """Whether a path leads to a place within the folder that it is relative to."""
    return not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """All weights of a file by name. OSError and SafetensorError if it cannot be read."""
    from safetensors.numpy import load_file

    pretrained.check_file(path, memory.free())
    return load_file(path)


def write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all."""
    reading.replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def point(pointer: Path, name: str) -> None:
    """Make `latest` point to a folder beside it: a link, or a text file where links are not allowed."""
    unfinished = pointer.with_name(f".{pointer.name}.{os.getpid()}")
    try:
        unfinished.symlink_to(name, target_is_directory=True)
        os.replace(unfinished, pointer)
    except OSError:
        unfinished.unlink(missing_ok=True)
        write(pointer, f"{name}\n".encode())


def unpointed(folder: Path, error: OSError | None = None) -> Diagnostic | None:
    """The warning that `latest` cannot point to a run: it is a folder, or cannot be written."""
    pointer = folder.parent / LATEST
    if pointer.is_dir() and not pointer.is_symlink():
        why = f"{pointer} is a folder"
    elif error is not None:
        why = f"{pointer}: {(error.strerror or str(error)).lower()}"
    else:
        return None
    help = "the run itself is kept; move what is there away, and the next run makes it anew"
    return Diagnostic("W0801", f"{why}, so it does not point to this run", (), help=help)


def unmade(folder: Path, error: OSError) -> CompileError:
    """The error that a folder of runs cannot be made."""
    way = (*reversed(folder.parents), folder)
    place = next((p for p in way if (p.is_symlink() or p.exists()) and not p.is_dir()), None)
    if place is None:
        why, help = f"{folder}: {(error.strerror or str(error)).lower()}", OTHER_FOLDER
    elif place.is_symlink():
        why = f"{place} is a link to {os.readlink(place)}, which is no folder"
        help = f"make the folder that it leads to, or {OTHER_FOLDER}"
    else:
        why, help = f"{place} is no folder", OTHER_FOLDER
    return CompileError.of("E0813", f"no run can be kept here: {why}", help=help)


def place_for(name: str, taken: set[str]) -> str:
    """Where an imported file lies in the folder: its own path, or a free one in `imports`."""
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
