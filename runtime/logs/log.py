"""The base class of logs: listeners that write the epochs of a training for other tools."""

from __future__ import annotations

from abc import abstractmethod
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.training.history import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.training.history import Epoch, Trained
    from dlc.runtime.training.training_plan import TrainingPlan

LACKING = "E0816"
UNUSABLE = "E0819"
OF_TRAINING = ("rate", "gradient_norm", "rows_per_second", "memory", "seconds")


class EpochLog(Listener):
    """A log of the run in `folder`. An error before training begins is an error of the run. While it trains,
    an error ends the log alone, and `tell` gets one sentence about it."""

    name: ClassVar[str] = ""
    package: ClassVar[str] = ""  # the module that writes it, of the extra with the name of the log

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder, self._tell = folder, tell
        self._failed = False

    @classmethod
    def check(cls) -> None:
        """Error E0816 if its package is not installed."""
        if cls.package and find_spec(cls.package) is None:
            message = f"`--log {cls.name}` writes with the package {cls.package}, which is not installed"
            raise CompileError.of(LACKING, message, help=f'pip install "dlc[{cls.name}]"')

    # --- what a log defines -------------------------------------------------------------------------------

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it writes, for people. Known once it has begun."""

    @abstractmethod
    def enter(self, program: CompiledProgram, history: Sequence[Epoch]) -> Collection[int]:
        """Begin the log, or go on with that of a run that is resumed after the epochs of `history`: later
        ones are taken out or hidden, or stay if they will not be written again. Returns the epochs that it
        has."""

    @abstractmethod
    def write(self, epoch: Epoch) -> None:
        """Add an epoch."""

    def close(self, trained: Trained) -> None:
        """End the log of a training that has ended."""

    @property
    def told(self) -> str:
        """Where it writes, and whether it ended before the training."""
        return f"{self.place} (ended early)" if self._failed else self.place

    # --- as a listener ------------------------------------------------------------------------------------

    def begin(
        self, program: CompiledProgram, plans: Sequence[TrainingPlan], history: Sequence[Epoch] = ()
    ) -> None:
        try:
            self._known = frozenset(self.enter(program, history))
            for epoch in history:
                self._add(epoch)
        except CompileError:
            raise
        except Exception as error:
            raise unusable(self.name, error) from error

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        self._attempt(self._add, epoch)

    def end(self, trained: Trained) -> None:
        self._attempt(self.close, trained)

    def _add(self, epoch: Epoch) -> None:
        if epoch.epoch not in self._known:
            self.write(epoch)

    def _attempt(self, do: Callable[..., None], *arguments: Any) -> None:
        """Do it, unless the log has failed before."""
        try:
            if not self._failed:
                do(*arguments)
        except Exception as error:  # noqa: BLE001  of another package, or of a file
            self._failed = True
            self._tell(f"the log {self.name} ends here, and the training goes on: {reason(error)}")


def values_of(epoch: Epoch) -> dict[str, float]:
    """The numbers of an epoch by name: `train.loss`, `validation.accuracy`, `rate`; of several optimizers
    `rate.1`, `rate.2`. Numbers that are not finite or not known are left out."""
    record = epoch.record()
    values = {f"{part}.{name}": v for part in ("train", "validation") for name, v in record[part].items()}
    values |= {f"rate.{n}": rate for n, rate in enumerate(record.get("rates", ()), 1)}
    values |= {name: record[name] for name in OF_TRAINING}
    return {name: value for name, value in values.items() if value is not None}


def unusable(name: str, error: Exception) -> CompileError:
    return CompileError.of(UNUSABLE, f"the log {name} cannot be written: {reason(error)}",
                           help="repair what it names, or leave `--log` out")  # fmt: skip


def reason(error: Exception) -> str:
    """The first line of an error, with the file that it names."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}"
    return (str(error).strip() or type(error).__name__).splitlines()[0]
