"""The logs that `--log` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.runtime.logs import csv_log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dlc.runtime.logs.log import EpochLog

NAMES = ("tensorboard", "mlflow")
ENDING = ".csv"


def check_name(name: str) -> str:
    """The name of a log: `tensorboard`, `mlflow` or a path that ends in `.csv`. ValueError for others."""
    if name in NAMES or (name.lower().endswith(ENDING) and len(name) > len(ENDING)):
        return name
    help = did_you_mean(name, NAMES)
    raise ValueError(f"a log is tensorboard, mlflow or FILE.csv, not `{name}`{f'; {help}' if help else ''}")


def check(names: Sequence[str]) -> None:
    """`CompileError` for a log that cannot be written, before the data is read."""
    for name in dict.fromkeys(names):
        if name in NAMES:
            log_class(name).check()
        else:
            csv_log.check(check_name(name))


def open_logs(names: Sequence[str], folder: Path, tell: Callable[[str], None]) -> list[EpochLog]:
    """The logs of the run in a folder. `tell` gets a sentence if one of them fails later."""
    return [
        log_class(name)(folder, tell) if name in NAMES else csv_log.CsvLog(name, folder, tell)
        for name in dict.fromkeys(names)
    ]


def log_class(name: str) -> type[EpochLog]:
    if name == "tensorboard":
        from dlc.runtime.logs.tensorboard_log import TensorBoardLog

        return TensorBoardLog
    from dlc.runtime.logs.mlflow_log import MlflowLog

    return MlflowLog
