"""Random draws of operators by torch functions, for tensors and for emitted source."""

from __future__ import annotations

from typing import Any


class Draws:
    """The random draws of the argument `F` of PyTorch forms."""

    float32: Any
    _sample_dirichlet: Any

    def uniform(self, x: Any, *shape: int) -> Any:
        """Uniform numbers between 0 and 1, of this shape for each sample of `x`."""
        return x.new_empty((x.shape[0], *shape), dtype=self.float32).uniform_()

    def beta(self, x: Any, alpha: float) -> Any:
        """A number from Beta(alpha, alpha), on the device of `x`."""
        both = x.new_full((2,), alpha, dtype=self.float32, device="cpu")  # not all devices implement the draw
        return self._sample_dirichlet(both)[0].to(x.device)

    def indices(self, x: Any, size: Any) -> Any:
        """0, 1, 2, ... for an axis of this size, on the device of `x`."""
        return x.new_ones((size,), dtype=self.float32).cumsum(0) - 1
