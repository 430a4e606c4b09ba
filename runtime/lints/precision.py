"""Numbers whose differences float32 cannot hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.runtime.data import wanted_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from dlc.compiler.program import Program
    from dlc.runtime.data import Dataset


def coarse(program: Program, data: Dataset, weights: Mapping[str, np.ndarray]) -> Iterator[Diagnostic]:
    """A `float` field that deviates by little more than the step between two float32 numbers of its size."""
    found = data.train.coarse if data.train is not None else {}
    for field in wanted_by(program):
        for some in found.get(field.name, ()):
            message = (
                f"{some.column} deviates by {some.deviation:.3g} around {some.size:.3g}, where float32 goes "
                f"in steps of {some.step:.3g}: `{field.name}` loses digits"
            )
            help = (
                "subtract an offset in the data: targets are float32"
                if field.is_target
                else f"declare `{field.name}` as `int64` or `float64`: offsets behind it, as that of "
                "`standardize`, are then subtracted before it is made float32"
            )
            labels = (Label(field.place),) if field.place is not None else ()
            yield Diagnostic("W0706", message, labels, (), help)
