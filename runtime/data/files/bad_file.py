"""The error of one file, which is collected with those of others."""

from __future__ import annotations

from typing import IO

from dlc.compiler import reading
from dlc.runtime.data.data_errors import BROKEN, NO_FILE

ABSENT = "does not exist"
OUTSIDE = "is outside of the folder of the files"


class BadFile(Exception):
    """A file that cannot be used. `what` is a predicate after its name: `is damaged: ...`."""

    def __init__(self, what: str, help: str = "", code: str = BROKEN) -> None:
        super().__init__(what)
        self.what, self.help, self.code = what, help, code


def opened_file(path: str) -> IO[bytes]:
    """A file, open for reading. `BadFile` if there is none, or it cannot be opened."""
    try:
        return reading.open_file(path)
    except FileNotFoundError:
        raise BadFile(ABSENT, code=NO_FILE) from None
    except OSError as error:
        raise BadFile(reading.why(error), code=NO_FILE) from None
