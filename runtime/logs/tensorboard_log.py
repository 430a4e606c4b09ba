"""`--log tensorboard`: event files in the folder `tensorboard` of the run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dlc.runtime.logs.log import EpochLog, values_of
from dlc.runtime.sample_files import is_pictures, sheet
from dlc.runtime.written_settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.training.history import Epoch, Trained

FOLDER = "tensorboard"
KNOWN = "training/seconds"  # a tag that each epoch has
FLUSH = 5  # seconds


class TensorBoardLog(EpochLog):
    """Scalars by epoch, the spec and its settings as texts, and samples that are pictures."""

    name, package = "tensorboard", "tensorboard"

    @property
    def place(self) -> str:
        return os.path.relpath(self.folder / FOLDER)

    def enter(self, program: CompiledProgram, history: Sequence[Epoch]) -> Collection[int]:
        from torch.utils.tensorboard import SummaryWriter

        place = self.folder / FOLDER
        known = epochs_in(str(place)) if history and place.is_dir() else set()
        # TensorBoard hides earlier events of `purge_step` and later steps.
        self._writer: Any = SummaryWriter(str(place), purge_step=len(history) + 1 if history else None,
                                          flush_secs=FLUSH)  # fmt: skip
        self._epoch = len(history)
        if not known:
            self._writer.add_text("spec", indented(program.source.text), 0)
            settings = settings_of(program).items()
            self._writer.add_text("settings", indented("\n".join(f"{k} = {v}" for k, v in settings)), 0)
        self._writer.flush()
        return {epoch for epoch in known if epoch <= len(history)}

    def write(self, epoch: Epoch) -> None:
        self._epoch = epoch.epoch
        for name, value in values_of(epoch).items():
            self._writer.add_scalar(tag(name), value, epoch.epoch)

    def samples(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        at = self._epoch + 1  # as all else, so that a resumed run hides those that it draws again
        for name, rows in values.items():
            if is_pictures(rows):
                self._attempt(self._writer.add_image, f"samples/{name}", sheet(rows), at, None, "HWC")

    def statistics(self, record: Mapping[str, Any]) -> None:
        self._attempt(self._statistics, record)

    def _statistics(self, record: Mapping[str, Any]) -> None:
        for weight in record.get("weights", ()):
            for key in ("norm", "gradient", "update"):
                if isinstance(weight.get(key), (int, float)):
                    self._writer.add_scalar(f"{key}/{weight['name']}", weight[key], record["epoch"])

    def close(self, trained: Trained) -> None:
        for name, value in trained.figures.get("test", {}).items():
            self._writer.add_scalar(tag(f"test.{name}"), value, max(trained.kept, 1))
        self._writer.close()


def tag(name: str) -> str:
    """The name of a chart: `train/loss`, `training/rate`."""
    part, dot, figure = name.partition(".")
    return f"{part}/{figure}" if dot and part != "rate" else f"training/{name}"


def indented(text: str) -> str:
    """A text that Markdown shows as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def epochs_in(folder: str) -> set[int]:
    """The epochs that the event files of a folder have."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    found = EventAccumulator(folder, {SCALARS: 0})
    found.Reload()
    return {event.step for event in found.Scalars(KNOWN)} if KNOWN in found.Tags()["scalars"] else set()
