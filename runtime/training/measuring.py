"""The figures of an epoch, and those at the end of a phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.training import training_plan

if TYPE_CHECKING:
    from dlc.runtime.data.rows.dataset import Dataset
    from dlc.runtime.training.history import Figures
    from dlc.runtime.training.meter import Meter
    from dlc.runtime.training.torch_forms import Forms


def after_epoch(forms: Forms, data: Dataset, losses: Figures, validate: bool) -> dict[str, Figures]:
    """The figures after an epoch: those of the validation rows, and those of the training rows if they are
    watched; of decoded answers only what is watched. `losses` are the mean losses of the steps."""
    watched = {part: training_plan.watched(forms.phase, part) for part in ("train", "validation")}
    until = forms.phase.settings.until
    compared = until is not None and "train" in until.parts()
    parts = {
        "train": data.train if compared or watched["train"] - losses.keys() else None,
        "validation": data.validation if validate else None,
    }
    return {
        part: forms.measure(part, rows, watched[part]).figures()
        for part, rows in parts.items()
        if rows is not None
    }


def at_end(forms: Forms, data: Dataset) -> dict[str, Meter]:
    """The losses and metrics of all parts at the end of a phase, and what is answered; of decoded answers to
    the training rows only what is watched or expected, if there are other rows."""
    parts = {part: rows for part, rows in data.parts() if rows.count}
    asked = training_plan.watched(forms.phase, "train") | {
        path.removeprefix("train.") for e in forms.program.expectations for path in e.paths()
    }
    return {
        part: forms.measure(part, rows, asked if part == "train" and len(parts) > 1 else None, answers=True)
        for part, rows in parts.items()
    }
