"""Values that training makes, drawn now and then for the same rows and the same noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from dlc.runtime.training.torch_forms import largest, seed_of

if TYPE_CHECKING:
    from dlc.runtime.data.rows.dataset import Dataset
    from dlc.runtime.training.torch_forms import Forms
    from dlc.runtime.training.training_plan import TrainingPlan

SHEETS = 10  # in each phase
ROWS = 64  # maximum rows of a sheet
ENTRIES = 1 << 24  # maximum entries of the largest tensor of all rows, if there are several


class Samples:
    """The values that `sample` names, for the first validation or training rows, in inference form."""

    def __init__(self, forms: Forms, data: Dataset, plan: TrainingPlan) -> None:
        self._forms, self._form, self._due = forms, forms.sampling, set[int]()
        rows = data.validation if data.validation is not None else data.train
        if not self._form.graph.outputs or rows is None:
            return
        self._due = {max(plan.steps * k // SHEETS, 1) for k in range(1, SHEETS + 1)}
        most = min(ROWS, max(ENTRIES // largest(self._form.graph), 1))
        self._count = most if rows.count is None else min(most, rows.count)
        self._rows = rows if rows.count is None else rows.take(np.arange(self._count))

    def due(self, step: int) -> bool:
        """Whether to draw after a step, counted from 1."""
        return step in self._due

    def draw(self) -> dict[str, np.ndarray]:
        """The values by name, a row each."""
        loader = self._forms.loader(
            self._rows, self._form, seed=seed_of(self._forms.phase.settings.seed, "sample")
        )
        [batch] = loader.batches([self._count])
        with torch.inference_mode():
            made = self._form(batch, self._form.exported_weights())
        return {name: made[name].detach().float().cpu().numpy() for name in self._form.graph.outputs}
