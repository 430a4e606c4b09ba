"""Values that training makes, drawn now and then for the same rows and the same noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    import numpy as np

    from dlc.runtime.data.rows import Dataset
    from dlc.runtime.training.torch_forms import Forms
    from dlc.runtime.training.training_plan import TrainingPlan

SHEETS = 10  # in each phase
ROWS = 64  # of a sheet


class Samples:
    """The values that `sample` names, for the first validation or training rows, in inference form."""

    def __init__(self, forms: Forms, data: Dataset, plan: TrainingPlan) -> None:
        self._form = forms.sampling
        self._seed, self._forms = forms.phase.settings.seed, forms
        self._rows = data.validation if data.validation is not None else data.train
        self._due = {max(plan.steps * k // SHEETS, 1) for k in range(1, SHEETS + 1)}
        if not self._form.graph.outputs:
            self._due = set()

    def due(self, step: int) -> bool:
        """Whether to draw after a step, counted from 1."""
        return step in self._due

    def draw(self) -> dict[str, np.ndarray]:
        """The values by name, a row each."""
        assert self._rows is not None, "the plan checks it"
        count = ROWS if self._rows.count is None else min(ROWS, self._rows.count)
        [batch] = self._forms.loader(self._rows, self._form, seed=self._seed).batches([count])
        with torch.inference_mode():
            made = self._form(batch)
        return {name: made[name].detach().float().cpu().numpy() for name in self._form.graph.outputs}
