"""Frozen dataclasses without generated code, for fast imports."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["field", "record"]

T = TypeVar("T")


@overload
def record(cls: type[T], /) -> type[T]: ...
@overload
def record(*, eq: bool = True) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, eq: bool = True) -> Any:
    """Like `dataclass(frozen=True)`, also for `replace`, `fields` and `match`; `eq=False` compares by
    identity.

    `dataclass` generates and compiles source code for the methods of every class. For the classes of the
    compiler that was a sixth of the time of `dlc check`. Here all classes share their methods.
    """
    return make(cls, eq) if cls is not None else lambda cls: make(cls, eq)


def make(cls: Any, eq: bool) -> Any:
    cls.__doc__ = cls.__doc__ or f"{cls.__name__}."  # otherwise dataclass computes a signature for it
    cls = dataclass(init=False, repr=False, eq=False)(cls)
    declared, own = fields(cls), vars(cls)
    compared = tuple(f.name for f in declared if f.compare)
    methods = {
        "__init__": initializer(cls.__name__, declared, hasattr(cls, "__post_init__")),
        "__repr__": shown,
    }
    if eq:
        methods |= {"__eq__": equality(compared), "__hash__": hashing(compared)}
    for name, method in methods.items():
        if own.get(name) is None:
            setattr(cls, name, method)
    cls.__setattr__, cls.__delattr__ = refuse, refuse
    return cls


def initializer(name: str, declared: Any, follows: bool) -> Callable[..., None]:
    names = tuple(f.name for f in declared)
    plain = {f.name: f.default for f in declared if f.default is not MISSING}
    made = {f.name: f.default_factory for f in declared if f.default_factory is not MISSING}

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        given = self.__dict__
        given.update(plain)
        given.update(zip(names, values))  # noqa: B905  too many values are an error below
        given.update(named)
        for key, make in made.items():
            if key not in given:
                given[key] = make()
        if (
            len(given) != len(names)
            or len(values) > len(names)
            or not named.keys().isdisjoint(names[: len(values)])
        ):
            raise TypeError(
                f"{name} takes {', '.join(names)}; given were {len(values)} values and {', '.join(named)}"
            )
        if follows:
            self.__post_init__()

    return __init__


def refuse(self: Any, name: str, value: Any = None) -> None:
    raise FrozenInstanceError(f"{type(self).__name__} never changes: cannot set {name}")


def shown(self: Any) -> str:
    parts = (f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.repr)
    return f"{type(self).__name__}({', '.join(parts)})"


def equality(names: tuple[str, ...]) -> Callable[[Any, object], Any]:
    def __eq__(self: Any, other: object) -> Any:
        if other.__class__ is not self.__class__:
            return NotImplemented
        mine, theirs = self.__dict__, other.__dict__
        return all(mine[name] == theirs[name] for name in names)

    return __eq__


def hashing(names: tuple[str, ...]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        own = self.__dict__
        return hash(tuple([own[name] for name in names]))

    return __hash__
