"""Records behave as frozen dataclasses."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from functools import cached_property

import pytest

from dlc.compiler.record import record


@record
class Point:
    """A place."""

    x: int
    y: int = 0
    tags: list = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)

    @cached_property
    def norm(self) -> int:
        return abs(self.x) + abs(self.y)


@record
class Place(Point):
    name: str = "here"


@record(eq=False)
class Node:
    value: object


@dataclass(frozen=True)
class Twin:
    """A place."""

    x: int
    y: int = 0
    tags: list = field(default_factory=list, compare=False)
    secret: str = field(default="", repr=False)


@pytest.mark.parametrize("given", [((1,), {}), ((1, 2), {}), ((), {"x": 1, "y": 3}), ((1,), {"secret": "s"})])
def test_they_have_the_values_of_dataclasses(given: tuple) -> None:
    values, named = given
    mine, theirs = Point(*values, **named), Twin(*values, **named)
    assert asdict(mine) == asdict(theirs)
    assert repr(mine).replace("Point", "Twin") == repr(theirs)
    assert hash(mine) == hash(Point(*values, **named))


@pytest.mark.parametrize(
    "given",
    [
        ((), {}),
        ((1, 2, [], "", 5), {}),
        ((1,), {"x": 1}),
        ((1,), {"z": 1}),
        ((), {"y": 1}),
        ((1, 2), {"y": 3, "z": 4}),
    ],
)
def test_they_reject_the_arguments_that_dataclasses_reject(given: tuple) -> None:
    values, named = given
    for made in (Point, Twin):
        with pytest.raises(TypeError):
            made(*values, **named)


def test_they_are_immutable() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x  # type: ignore[misc]
    assert point.norm == point.norm == 1, "cached properties are kept"


def test_equality_by_fields_or_by_identity() -> None:
    assert Point(1, tags=["a"]) == Point(1, tags=["b"])
    assert Point(1) != Point(2)
    assert Point(1) != Place(1)
    assert Node(1) != Node(1)
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_default_factories_are_called_each_time_and_fields_are_inherited() -> None:
    assert Point(1).tags is not Point(1).tags
    assert [f.name for f in fields(Place)] == ["x", "y", "tags", "secret", "name"]
    assert replace(Place(1, name="there"), y=5) == Place(1, 5, name="there")
    match Place(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
