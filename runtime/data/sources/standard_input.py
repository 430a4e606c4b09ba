"""Rows from standard input: csv, or JSON objects, in an array as `dlc predict --format json` writes them or
one in each line."""

from __future__ import annotations

import codecs
import io
import sys
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import Csv
from dlc.runtime import strict_json
from dlc.runtime.data import bounds, data_errors
from dlc.runtime.data.locations.location import Content
from dlc.runtime.data.sources.arrays import ArraySource
from dlc.runtime.data.sources.csv import CsvFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definitions.series import TableFile
    from dlc.runtime.data.source import Opened

NAME = "standard input"
POINTER = 8  # bytes of a value in a list


def open_standard_input(like: TableFile | None = None) -> Opened:
    """Read standard input to its end; csv with the settings of `like`."""
    content = read_all()
    if content.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"[", b"{"):
        return JsonRows(content)
    settings = {k: v for k, v in (like.values() if like else {}).items() if k in Csv.settings}
    return CsvFile(Csv(**settings | {"path": NAME}), Content(content, NAME))


def read_all() -> bytes:
    """All bytes of standard input, if they fit in memory."""
    limit, content = bounds.memory_limit(), io.BytesIO()
    while piece := sys.stdin.buffer.read(bounds.PIECE):
        content.write(piece)
        bounds.check(content.tell(), limit, NAME, None)
    return content.getvalue()


class JsonRows(ArraySource):
    """Rows as JSON objects. A field that an object lacks is a missing value. Objects with lists are samples,
    others may be the steps of series."""

    no_rows, what = "has no rows", "field"

    def __init__(self, content: bytes) -> None:
        self.file = NAME
        rows = [*objects(content)]
        names = [*dict.fromkeys(name for row in rows for name in row)]
        if not names:
            raise data_errors.fail(data_errors.NO_ROWS, f"{NAME} {self.no_rows}")
        self.is_table = not any(isinstance(value, list) for row in rows for value in row.values())
        bounds.check(POINTER * len(names) * len(rows), bounds.memory_limit(), NAME, None)
        self._take((name, [row.get(name) for row in rows]) for name in names)


def objects(content: bytes) -> Iterator[dict[str, Any]]:
    """The objects of a JSON array, or of lines of JSON."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise broken("not text in UTF-8") from None
    if text.lstrip().startswith("["):
        for number, row in enumerate(parsed(text, ""), 1):
            yield checked(row, f"row {number}")
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield checked(parsed(line, f"line {number}: "), f"line {number}")


def parsed(text: str, where: str) -> Any:
    try:
        return strict_json.parse(text)
    except ValueError as error:
        raise broken(f"{where}{error}") from None


def checked(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise broken(f'{where} is not an object, such as {{"x": 1}}')
    return row


def broken(why: str) -> data_errors.CompileError:
    return data_errors.fail(data_errors.BROKEN, f"{NAME} cannot be read as JSON: {why}")
