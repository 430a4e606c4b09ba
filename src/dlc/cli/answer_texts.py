"""The answers of `dlc predict` as text: csv or JSON, part by part."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from dlc.runtime.artifact.answer_columns import AnswerColumns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.runtime.artifact.answer_columns import Values

    # The answers to some rows, and the columns that are kept of them, by name.
    Parts = Iterable[tuple[Mapping[str, Values], Mapping[str, Values]]]

KEPT = AnswerColumns({})


def as_csv(parts: Parts, columns: AnswerColumns) -> Iterator[str]:
    """A table with a heading: the columns of the rows, and the answers."""
    begun = False
    for answers, kept in parts:
        before, behind = KEPT.flat(kept), columns.flat(answers)
        if not begun:
            refuse_same_names(before, behind)
            yield lines([[*before, *behind]])
            begun = True
        cells = [cells_of(values, spelled_exactly, None) for values in before.values()]
        cells += [cells_of(values, spelled, "{:.7g}".format) for values in behind.values()]
        yield lines(zip(*cells, strict=True))


def as_json(parts: Parts) -> Iterator[str]:
    """An array with an object for each row."""
    begun, some = False, False
    for answers, kept in parts:
        if not begun:
            refuse_same_names(kept, answers)
            begun = True
        values = {name: listed(rows) for name, rows in {**kept, **answers}.items()}
        rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
        if rows:
            inside = json.dumps(rows, indent=1)[1:-2]  # without the brackets
            yield f"{',' if some else '['}{inside}"
            some = True
    yield "\n]\n" if some else "[]\n"


def refuse_same_names(kept: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    from dlc.cli.command_errors import refuse

    if taken := next((name for name in kept if name in answers), ""):
        refuse(f'"{taken}" cannot be kept: an output of the model has this name',
               "give the column another name in the rows")  # fmt: skip


def cells_of(
    values: Values, spell: Callable[[Any], Any], spell_float: Callable[[float], str] | None
) -> Iterable[Any]:
    """The cells of a column; `spell_float` does what `spell` does for a float, faster, None if that is
    nothing."""
    kind = "" if isinstance(values, list) or values.ndim != 1 else values.dtype.kind
    if kind == "f" and spell_float is not None:
        return map(spell_float, listed(values))
    return listed(values) if kind in ("f", "i", "u") else map(spell, listed(values))


def listed(rows: Values) -> list[Any]:
    """The values of all rows as Python values; arrays as lists."""
    return [row.tolist() for row in rows] if isinstance(rows, list) else rows.tolist()


def lines(rows: Iterable[Sequence[Any]]) -> str:
    """Rows of csv."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def spelled(value: Any) -> Any:
    """Floats with the digits of float32; a list in JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps(rounded(value))
    return f"{value:.7g}" if isinstance(value, float) else value


def rounded(value: Any) -> Any:
    """A number, or nested lists of numbers, with the digits of float32."""
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def spelled_exactly(value: Any) -> Any:
    """Floats with all digits; a missing value is an empty cell; a list in JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return json.dumps(value)
    return "" if value is None else value
