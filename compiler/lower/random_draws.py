"""What operators draw, by plain functions of torch: of tensors, or of what writes them down."""

from __future__ import annotations

from typing import Any


class Draws:
    """A part of what operators are given as `F`."""

    float32: Any
    _sample_dirichlet: Any

    def uniform(self, x: Any, *shape: int) -> Any:
        """Numbers between 0 and 1, of this shape for every sample of `x`."""
        return x.new_empty((x.shape[0], *shape), dtype=self.float32).uniform_()

    def beta(self, x: Any, alpha: float) -> Any:
        """A number from Beta(alpha, alpha), where `x` is."""
        both = x.new_full((2,), alpha, dtype=self.float32, device="cpu")  # not every device can draw it
        return self._sample_dirichlet(both)[0].to(x.device)

    def places(self, x: Any, size: Any) -> Any:
        """0, 1, 2, ... for an axis of this size, where `x` is."""
        return x.new_ones((size,), dtype=self.float32).cumsum(0) - 1
