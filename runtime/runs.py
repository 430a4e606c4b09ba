"""The folder of a run: `runs/NAME/TIME/`, and `latest` beside it."""

from __future__ import annotations

import json
import os
import posixpath
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.program import Facts
from dlc.compiler.source import Source
from dlc.compiler.types import Classes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlc.compiler.program import Program
    from dlc.compiler.training.metrics import Table
    from dlc.runtime.history import Epoch, Trained
    from dlc.runtime.plans import Plan

SPEC, WEIGHTS, MODEL, METRICS, INFO, TABLES = KEPT = (
    "model.dl", "weights.safetensors", "model.onnx", "metrics.jsonl", "spec.json", "tables.json",
)  # fmt: skip
LATEST = "latest"
SAVED = 2.0  # seconds between two savings of weights that got better, at least


class Run:
    """One run's folder; a listener of the training. Every file is written under another name
    and then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._waiting: Callable[[], Mapping[str, np.ndarray]] | None = None
        self._saved = -SAVED

    @classmethod
    def create(cls, root: Path, name: str, now: datetime | None = None) -> Run:
        """A new folder for a run of the spec of this name. `latest` points to it once it holds weights."""
        stamp = (now or datetime.now()).strftime("%Y-%m-%dT%H-%M-%S")
        number = 1
        while True:
            folder = root / name / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                folder.mkdir(parents=True)
                return cls(folder)
            except FileExistsError:
                number += 1

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
        classes = {name: {"count": c.count, "labels": c.labels} for name, c in program.facts.classes.items()}
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
        point(self.folder.parent / LATEST, self.folder.name)
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
    folder = root / name / PurePosixPath(pointer.read_text(encoding="utf-8").strip()).name
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Spec:
    """The spec of a run: what `dlc.compiler.compile` takes."""

    source: Source
    params: Mapping[str, Any]
    facts: Facts
    read: Callable[[Source, str], Source]


def read_spec(folder: Path) -> Spec:
    """The spec as it was run; imports are read from the folder, wherever they came from."""
    info = json.loads((folder / INFO).read_text(encoding="utf-8"))

    def read(importing: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
        if name not in info["files"]:
            raise FileNotFoundError(2, "not among the files of the run", name)
        return Source(name, (folder / info["files"][name]).read_text(encoding="utf-8"))

    classes = {n: Classes(c["count"], c["labels"] and tuple(c["labels"])) for n, c in info["classes"].items()}
    source = Source(info["name"], (folder / SPEC).read_text(encoding="utf-8"))
    return Spec(source, info["params"], Facts(classes), read)


def read_weights(path: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(path)


def write(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all."""
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


def place_for(name: str, taken: set[str]) -> str:
    """Where an imported file lies in the folder: its own path, or a free one in `imports`."""
    path = PurePosixPath(name)
    if not path.is_absolute() and ".." not in path.parts and str(path) not in taken:
        return str(path)
    number, place = 1, f"imports/{path.name}"
    while place in taken:
        number += 1
        place = f"imports/{path.stem}_{number}{path.suffix}"
    return place


def as_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(value, indent=indent, allow_nan=False, default=str) + "\n").encode()
