"""The runs below some folders, and what differs between the runs of a spec."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler import CompileError, compile
from dlc.compiler.differences import differences
from dlc.runtime.errors import ArtifactError
from dlc.runtime.run_folder import INFO, is_within, read_json, run_at, text_in
from dlc.runtime.run_record import read_record
from dlc.runtime.run_spec import read_spec
from dlc.runtime.written_settings import setting_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.differences import Difference
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.run_record import RunRecord

STAMP = "%Y-%m-%dT%H-%M-%S"  # the beginning of the name of a run folder
MAX_VERSIONS = 8  # of a spec that are compared


@dataclass(frozen=True)
class ListedRun:
    """A run in a list. `title` is its path below the folder of the runs of its spec."""

    record: RunRecord
    title: str
    texts: tuple[tuple[str, str], ...]  # the spec and its imports: name and text

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def begun(self) -> str:
        """When it began, as `2026-03-01 14:05`; empty if that is not known."""
        text = str(self.record.how.get("begun", ""))
        try:
            begun = datetime.fromisoformat(text).astimezone() if text else \
                datetime.strptime(self.folder.name[:19], STAMP)  # fmt: skip
        except ValueError:
            return ""
        return f"{begun:%Y-%m-%d %H:%M}"

    @property
    def seconds(self) -> float:
        """The seconds of its epochs."""
        return sum(s for e in self.record.epochs if isinstance(s := e.get("seconds"), (int, float)))

    @property
    def best(self) -> Mapping[str, Any]:
        """The record of its best epoch, or of the last one; empty if it has none."""
        epochs = self.record.epochs
        return next((e for e in reversed(epochs) if e.get("best")), epochs[-1] if epochs else {})

    @property
    def figures(self) -> dict[str, float]:
        """Its best figures: those of the kept weights, or of the best epoch if it has not ended."""
        parts: Mapping[str, Any] = self.record.figures or {
            part: self.best.get(part) for part in ("train", "validation")
        }
        return {f"{part}.{name}": value for part, of in parts.items() if isinstance(of, dict)
                for name, value in of.items() if isinstance(value, (int, float))}  # fmt: skip


@dataclass(frozen=True)
class SpecRuns:
    """The runs of specs with one name, by time. `versions` are the different texts of the spec, each as its
    first run has it."""

    name: str
    runs: Sequence[ListedRun]
    versions: Sequence[ListedRun] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, runs: Sequence[ListedRun]) -> SpecRuns:
        ordered = sorted(runs, key=lambda run: (run.begun, run.title))
        first = {run.texts: run for run in reversed(ordered)}
        return cls(name, ordered, sorted(first.values(), key=ordered.index))

    def version(self, run: ListedRun) -> int:
        """The number of its text, from 1."""
        return 1 + next(n for n, other in enumerate(self.versions) if other.texts == run.texts)

    def params(self) -> list[str]:
        """The params and settings that were not given the same values in all runs."""
        names = dict.fromkeys(name for run in self.runs for name in run.record.params)
        return [n for n in names if len({repr(run.record.params.get(n)) for run in self.runs}) > 1]

    def value(self, run: ListedRun, name: str) -> Any:
        """A param or setting of a run, as it was given or as its spec says; empty if that is not known."""
        if name in run.record.params:
            return run.record.params[name]
        program = self._programs[self.version(run) - 1]
        return "" if program is None else settings_of(program).get(name) or setting_of(program, name)

    @cached_property
    def _programs(self) -> list[CompiledProgram | None]:
        """The versions of the spec, before other params and settings are given; None for those that this
        version of dlc cannot compile."""
        found: list[CompiledProgram | None] = []
        for run in self.versions:
            try:
                found.append(program_of(run.folder))
            except (CompileError, ArtifactError):
                found.append(None)
        return found

    def changes(self) -> Iterator[tuple[int, Sequence[Difference] | str]]:
        """What each version of the spec changed, by its number; a sentence for one that cannot be told."""
        for number, (before, after) in enumerate(zip(self.versions, self.versions[1:], strict=False), 2):
            if number > MAX_VERSIONS:
                return
            try:
                found = differences(*(program_of(run.folder) for run in (before, after)))
            except (CompileError, ArtifactError):
                yield number, "this version of dlc cannot compile one of the two"
            else:
                yield number, [d for d in found if not d.implied]


def program_of(folder: Path) -> Any:
    """The program of a run, without the values that it was given."""
    spec = read_spec(folder)
    return compile(spec.source, facts=spec.facts, read=spec.read)


def find_runs(paths: Sequence[str], unreadable: list[str]) -> list[SpecRuns]:
    """The runs at these paths, or below: in the folder of a spec or in that of all runs. `unreadable` gets a
    sentence for each run that cannot be read. `ArtifactError` for a path without runs, or if all are such."""
    groups: dict[tuple[str, str], list[ListedRun]] = {}
    for path in paths:
        found = [*run_folders(Path(path))]
        if not found:
            raise ArtifactError(nothing_at(path))
        for folder in found:
            try:
                run = listed(folder)
            except ArtifactError as error:
                unreadable.append(str(error))
                continue
            groups.setdefault((str(folder.parent), run.record.name), []).append(run)
    if not groups:
        raise ArtifactError(unreadable[0])
    return [SpecRuns.of(str(Path(name).stem), runs) for (_, name), runs in sorted(groups.items())]


def run_folders(path: Path) -> Iterator[Path]:
    """The run folders at a path: itself, those in it, and those in its folders. Links in it do not count."""
    path = run_at(path)
    if (path / INFO).is_file():
        yield path.resolve() if path.is_symlink() else path
        return
    inside = folders_in(path)
    for folder in [*inside, *(deeper for outer in inside for deeper in folders_in(outer))]:
        if (folder / INFO).is_file():
            yield folder


def folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False))


def listed(folder: Path) -> ListedRun:
    record = read_record(folder)
    files = read_json(folder / INFO).get("files", {})
    files = files if isinstance(files, dict) else {}
    names = sorted((n, f) for n, f in files.items() if isinstance(f, str) and is_within(f))
    return ListedRun(record, folder.name, tuple((name, text_in(folder, file)) for name, file in names))


def nothing_at(path: str) -> str:
    if not os.path.exists(path):
        return f"there is no folder {path}; `dlc train f.dl` makes runs in `runs`"
    if not os.path.isdir(path):
        return f"{path} is not a folder of runs"
    return f"there is no run in {path}; `dlc train f.dl` makes runs in `runs`"
