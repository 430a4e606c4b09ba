"""Where two answers are as good as each other, so that rounding may decide between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSE = 1e-4


def ties(name: str, answers: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The places of a class or binary answer whose best two probabilities are as good as equal."""
    if f"{name}_probability" in answers:
        return np.abs(np.asarray(answers[f"{name}_probability"]) - 0.5).reshape(shape) < CLOSE
    if f"{name}_probabilities" in answers:
        probabilities = np.asarray(answers[f"{name}_probabilities"])
        axis = 1 if probabilities.ndim > 3 else -1  # image-like outputs have their classes first
        best = np.sort(np.moveaxis(probabilities, axis, -1), axis=-1)[..., -2:]
        return (best[..., 1] - best[..., 0] < CLOSE).reshape(shape)
    return np.zeros(shape, bool)
