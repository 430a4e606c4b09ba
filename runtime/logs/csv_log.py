"""`--log FILE.csv`: a row for each epoch. Several runs may share a file."""

from __future__ import annotations

import csv
import io
import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.files import append, is_stream, locked, writable, write
from dlc.runtime.logs.log import UNUSABLE, EpochLog, values_of
from dlc.runtime.strict_json import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.training.history import Epoch

MAX_HEAD = 1 << 20  # bytes of the line with the columns
FIRST = ("run", "epoch", "step", "phase", "best")


class CsvLog(EpochLog):
    """A table with the columns `run`, `epoch`, `step`, `phase`, `best` and those of `values_of`. The rows of
    other runs in the file stay, also of those that write at the same time. A column that appears later is
    added for all rows. A run is named by its folder, relative to that of the file."""

    def __init__(self, path: str, folder: Path, tell: Callable[[str], None]) -> None:
        super().__init__(folder, tell)
        self.name = self.path = path  # type: ignore[misc]
        self._place = Path(path).absolute().parent
        self.run = Path(os.path.relpath(folder, self._place)).as_posix()

    @property
    def place(self) -> str:
        return self.path

    def enter(self, program: CompiledProgram, history: Sequence[Epoch]) -> Collection[int]:
        with self._alone():
            rows = [row for row in read(self.path) if row["run"] != self.run]
            self._rewrite(rows, [])
        return ()

    def write(self, epoch: Epoch) -> None:
        row = {name: str(value) for name, value in values_of(epoch).items()}
        row |= {"run": self.run, "epoch": str(epoch.epoch), "step": str(epoch.step), "phase": epoch.phase}
        row["best"] = str(epoch.best).lower() if epoch.compared else ""
        with self._alone():
            columns = columns_of(self.path)  # another run may have added some
            if row.keys() <= {*columns}:
                append(self.path, as_csv(columns, [row], head=False))
            else:
                self._rewrite([*read(self.path), row], columns)

    def _alone(self) -> AbstractContextManager[bool]:
        """A context in which no other run writes into the file. The folder of the run itself is locked by its
        training."""
        is_own = self._place.resolve() == self.folder.resolve()
        return nullcontext(True) if is_own else locked(self._place, wait=True)

    def _rewrite(self, rows: Sequence[Mapping[str, str]], columns: Iterable[str]) -> None:
        names = dict.fromkeys([*FIRST, *columns, *(name for row in rows for name in row)])
        write(self.path, as_csv([*names], rows))


def check(path: str) -> None:
    """Error E0819 for a path where no log can be written, or where there is another file."""
    try:
        if is_stream(path):
            raise CompileError.of(UNUSABLE, f"{path} is a stream, and a log is a file", help="name a file")
        writable(path)
        read(path)
    except (OSError, ValueError) as error:
        from dlc.runtime.logs.log import unusable

        raise unusable(path, error) from None


def read(path: str) -> list[dict[str, str]]:
    """The rows of a log, none if there is no file. `CompileError` for a file that is not a log."""
    if not Path(path).exists():
        return []
    text = reading.read_text(path, MAX_TEXT)
    head, *rows = [*csv.reader(io.StringIO(text, newline=""))] or [[]]
    if head[:3] != [*FIRST[:3]]:
        raise CompileError.of(UNUSABLE, f"{path} is there, and it is not the log of a training",
                              help="name another file, so that it is not overwritten")  # fmt: skip
    return [dict(zip(head, row, strict=False)) for row in rows if row]


def columns_of(path: str) -> list[str]:
    """The columns of a log; none if there is no file."""
    if not Path(path).exists():
        return []
    with reading.open_file(Path(path)) as file:
        return next(csv.reader([file.readline(MAX_HEAD).decode()]), [])


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, str]], *, head: bool = True) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if head:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
