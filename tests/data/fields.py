"""Helpers to build required fields and to read the errors of data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlc.compiler.definitions.sections import Csv, Data, DataSource, TableSource
from dlc.compiler.dims.dim import free
from dlc.compiler.types import Classes, Tensor
from dlc.runtime.data import Dataset, InMemoryRows, RequiredField, gather, read_rows

AUTO = Classes(free("found"), found_in="found")


def wanted(name: str, element: str = "float", *shape: Any, classes: Any = None, role: str = "input",
           source: Any = None) -> RequiredField:  # fmt: skip
    """A field; `classes` is a count, labels, or AUTO."""
    if isinstance(classes, int):
        classes = Classes(classes)
    elif isinstance(classes, tuple):
        classes = Classes(len(classes), classes)
    return RequiredField(name, Tensor(element, shape, classes), role, source)


def target(
    name: str, element: str = "float", *shape: Any, classes: Any = None, source: Any = None
) -> RequiredField:
    return wanted(name, element, *shape, classes=classes, role="target", source=source)


def csv_of(folder: Path, text: str, name: str = "rows.csv", **settings: Any) -> Csv:
    """Write a csv file with this text."""
    (folder / name).write_text(text, encoding="utf-8")
    return Csv(path=name, **settings)


def read(source: DataSource, *fields: RequiredField, folder: Path = Path(), **settings: Any) -> Dataset:
    return gather(Data(source=source, **settings), fields, folder)


def read_whole(source: DataSource, *fields: RequiredField, folder: Path = Path()) -> InMemoryRows:
    """The rows of a file, which need to fit in memory."""
    return read_rows(source.with_settings(path=str(folder / source.path)), fields)


def table(*rows: Any, columns: tuple[str, ...] | None = None) -> TableSource:
    return TableSource(rows=tuple(tuple(row) for row in rows), columns=columns)


def errors_of(act: Callable[..., Any], *arguments: Any, **settings: Any) -> list[tuple[str, str]]:
    """The codes and messages of all errors."""
    from dlc.compiler.diagnostics.problems import CompileError

    with pytest.raises(CompileError) as caught:
        act(*arguments, **settings)
    return [(d.code, d.message) for d in caught.value.diagnostics]


def error_of(act: Callable[..., Any], *arguments: Any, **settings: Any) -> Any:
    """The only error."""
    from dlc.compiler.diagnostics.problems import CompileError

    with pytest.raises(CompileError) as caught:
        act(*arguments, **settings)
    (found,) = caught.value.diagnostics
    return found
