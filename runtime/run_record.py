"""The record of a run, read from its folder: what it trained, how it went, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.runtime.errors import ArtifactError
from dlc.runtime.run_folder import (
    ANSWERS,
    DATA,
    FIGURES,
    INFO,
    METRICS,
    MODEL,
    PHASES,
    RUN,
    SPEC,
    STATISTICS,
    TABLES,
    latest_in,
    read_json,
    read_lines,
    read_list,
    run_at,
    text_in,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds, without its weights. Parts that a run has not written yet are empty.

    `epochs` are the records of `metrics.jsonl`, and `statistics` those of `statistics.jsonl`, in order.
    `figures` are those of the kept weights, by part of the data, and `answers` counts of what they answer, by
    part and output (`runtime/training/answers.py`); `tables` the counts of classes, by part and
    name; `phases` the ends of its phases. `how` is `run.json`: when it began, on what, with which versions,
    and how it ended.
    """

    folder: Path
    spec: str  # the text of the spec
    name: str  # of the spec's file
    params: Mapping[str, Any]  # the params and settings given to it
    epochs: tuple[Mapping[str, Any], ...] = ()
    statistics: tuple[Mapping[str, Any], ...] = ()
    figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    phases: tuple[Mapping[str, Any], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    how: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def model(self) -> Path | None:
        """Its artifact, if it has one."""
        path = self.folder / MODEL
        return path if path.is_file() else None

    @property
    def spec_folder(self) -> Path:
        """The folder of the spec, to which its paths are relative."""
        return Path(str(self.how.get("folder", "")) or ".")

    @property
    def ended(self) -> str:
        """`done`, `early`, `met`, `interrupted` or `diverged`; `running` for a run that has not ended, which
        may have been killed; empty if it is not known."""
        return str(self.how.get("ended", ""))


def read_record(path: Path) -> RunRecord:
    """The record of the run at a path: its folder, a file in it, or `latest`. `ArtifactError` if there is no
    run, or if its files are not as dlc writes them."""
    folder = run_at(path)
    if folder.is_file():
        folder = folder.parent
    if not (folder / INFO).is_file():
        what = f"{path} is not a run folder" if path.exists() else f"there is no run at {path}"
        raise ArtifactError(f"{what}{latest_in(path)}")
    info = read_json(folder / INFO)
    name, params = info.get("name"), info.get("params", {})
    if not isinstance(name, str) or not isinstance(params, dict):
        raise unreadable(folder, f"{INFO} is not as dlc writes it")
    phases = read_list(folder, PHASES)
    figures = read_json(folder / FIGURES).get("figures", {})
    return RunRecord(
        folder, text_in(folder, SPEC), name, params, read_lines(folder, METRICS),
        read_lines(folder, STATISTICS), figures if isinstance(figures, dict) else {},
        read_json(folder / TABLES), phases, read_json(folder / DATA), read_json(folder / RUN),
        read_json(folder / ANSWERS),
    )  # fmt: skip
