"""The data sets that scikit-learn contains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import BUILTINS
from dlc.runtime.data import data_errors
from dlc.runtime.data.source import Column, Opened, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.definitions.sections import Builtin


class BuiltinSet(Opened):
    """The feature columns of a data set, then its target."""

    def __init__(self, source: Builtin) -> None:
        from sklearn import datasets

        if source.set not in BUILTINS:
            help = f"there are {', '.join(BUILTINS)}"
            raise data_errors.fail(
                data_errors.NO_FILE, f'there is no built-in data set "{source.set}"', (source, ""), help=help
            )
        self.file, self.definition, self.free_layout = source.set, source, True
        bunch = getattr(datasets, f"load_{source.set}")()
        self._measured, self._target = bunch.data, bunch.target
        self._labels = source.labels(bunch)
        self.names = (*source.columns(bunch), "target")
        self.count, self.target = len(self._target), len(self.names) - 1
        self.remaining = True

    def read(self, indices: Sequence[int]) -> list[Column]:
        return [
            numbers(self._target, self._labels) if index == self.target else numbers(self._measured[:, index])
            for index in indices
        ]
