"""Maps of weight names: the JSON files of `weights = load(..., names="map.json")`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import VALUES, listed, shorten
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.dims.dim import number
from dlc.runtime import strict_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy as np

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.training.initial_state import Load

    Types = Mapping[str, tuple[str, tuple[int, ...]]]  # the element and the shape of each tensor
    Match = tuple["MapEntry", tuple[int, ...], str]  # numbers of copies, and the name after the key

MAX_BYTES = 1 << 20  # of a map
MAX_NAME = 1000  # characters of a key or a value
MAX_TOLD = 3  # problems of one message
MAX_COMPARED = 10_000  # names among which the nearest one is found
SHOWN = 100  # characters of a name in a message
PART = re.compile(r"\w+(?:\{([a-z]\w*)\})?")  # of a key, between dots
COPY = re.compile(r"(.+)_([2-9]|[1-9]\d{1,8})")  # the second copy of `layer` is `layer_2`
NUMBER = re.compile(r"\{([a-z]\w*)([+-]\d{1,8})?\}")  # of a copy, in a value
ROWS = re.compile(r"\[(?:\d{1,12}|\d{0,12}:\d{0,12})\]")
HELP_VALUE = 'a value is a name of the file, such as "w", "w[0:768]" (rows), "w[0]" (one row) or "w.T"'
HELP_KEY = "a key is a name of the spec, or its beginning up to a dot; `{i}` behind a name stands for copies"
HELP_JSON = "strings stand in double quotes, entries are separated by commas, with none after the last"


class MapProblem(ValueError):
    """What is wrong with a map or one of its entries, and a fix."""

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True)
class View:
    """A tensor of a file, and the steps from it to the value of a weight: `.T`, `[0]`, `[0:768]`."""

    tensor: str
    steps: tuple[str, ...] = ()

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the value, from that of the tensor. ValueError if it has no such part."""
        for step in self.steps:
            if step == ".T" and len(shape) != 2:
                raise ValueError(f"has the shape {[*shape]}, and `.T` needs a matrix")
            if step == ".T":
                shape = shape[::-1]
                continue
            count = shape[0] if shape else 0
            rows = index(step)
            begin, end = (rows, rows + 1) if isinstance(rows, int) else (rows.start, rows.stop)
            if not begin < (count if end is None else end) <= count:
                raise ValueError(f"has the shape {[*shape]}, so there are no rows `{step}`")
            size = () if isinstance(rows, int) else ((count if end is None else end) - begin,)
            shape = (*size, *shape[1:])
        return shape

    def of(self, array: np.ndarray) -> np.ndarray:
        for step in self.steps:
            array = array.T if step == ".T" else array[index(step)]
        return array


def index(step: str) -> int | slice:
    """The rows of `[0]` or `[0:768]`."""
    first, colon, last = step[1:-1].partition(":")
    return slice(int(first or 0), int(last) if last else None) if colon else int(first)


@dataclass(frozen=True)
class MapEntry:
    """An entry of a map. `copies` are the names in braces of its key, in order."""

    place: int
    key: str
    value: str
    copies: tuple[str, ...]

    def view(self, numbers: Iterable[int], rest: str) -> View:
        """What a weight gets; `rest` is its name after the key."""
        known = dict(zip(self.copies, numbers, strict=True))
        text = NUMBER.sub(lambda found: str(known[found[1]] + int(found[2] or 0)), self.value)
        name, steps = split(text)
        return View(name + rest, steps)


def split(value: str) -> tuple[str, tuple[str, ...]]:
    """The name and the steps of a value."""
    steps: list[str] = []
    while step := ".T" if value.endswith(".T") else value[value.rfind("[") :] if value.endswith("]") else "":
        steps.append(step)
        value = value.removesuffix(step)
    return value, tuple(reversed(steps))


class NameMap:
    """A map, as read from its file. `name` is its path in the spec."""

    def __init__(self, name: str, path: Path) -> None:
        """OSError if the file cannot be read, `MapProblem` if it is no map."""
        self.name = name
        try:
            self._text = reading.read_text(path, MAX_BYTES)
            pairs = strict_json.parse(self._text, pairs=tuple)
        except UnicodeDecodeError:
            raise MapProblem(f"{name} is not UTF-8 text", "save it as UTF-8") from None
        except strict_json.NotJSON as error:
            where = f", line {error.line}" if error.line else ""
            raise MapProblem(f"{name}{where}: this is not JSON", HELP_JSON) from None
        if not isinstance(pairs, tuple):
            raise MapProblem(f"{name} is not a JSON object of names", HELP_VALUE)
        self._entries: dict[str, MapEntry] = {}
        problems: list[tuple[str, str]] = []
        help = ""
        for key, value in pairs:
            try:
                self._add(key, value)
            except MapProblem as problem:
                problems.append((key, str(problem)))
                help = help or problem.help
        self._raise(problems, help)
        self._starts = {start for form in self._entries for start in beginnings(form)}

    def _add(self, key: str, value: object) -> None:
        if len(key) > MAX_NAME or not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
            raise MapProblem("the value is not a name", HELP_VALUE)
        parts = [PART.fullmatch(part) for part in key.split(".")]
        if not all(parts):
            raise MapProblem(f"`{shorten(key, SHOWN)}` is not a name of a spec", HELP_KEY)
        copies = tuple(part[1] for part in parts if part and part[1])
        if len({*copies}) != len(copies):
            raise MapProblem(f"`{shorten(key, SHOWN)}` has one letter for two numbers", HELP_KEY)
        if unknown := next((n[1] for n in NUMBER.finditer(value) if n[1] not in copies), ""):
            raise MapProblem(f"the value has `{{{shorten(unknown)}}}`, and the key does not", HELP_KEY)
        name, steps = split(NUMBER.sub("0", value))
        wrong = any(step != ".T" and not ROWS.fullmatch(step) for step in steps)
        if wrong or not name or re.search(r"[{}\[\]]", name):
            raise MapProblem(f"the value {quoted(value)} cannot be read", HELP_VALUE)
        form = NUMBER.sub("{}", key)
        if form in self._entries:
            raise MapProblem(f"`{shorten(key, SHOWN)}` stands twice", "leave one of them out")
        self._entries[form] = MapEntry(len(self._entries), key, value, copies)

    def views(self, load: Load, wanted: Mapping[str, Weight], types: Types) -> dict[str, View]:
        """What each weight gets that the map names. `wanted` are the weights by their names in the net, or in
        the spec; `types` those of the file. `MapProblem` lists what does not fit."""
        found = {name: self._matches(name, load.into and load.into.net) for name in wanted}
        self._check_keys(found, f"the net `{load.into.net}`" if load.into else "the spec")
        views: dict[str, View] = {}
        problems: list[tuple[str, str]] = []
        missing = ""
        for name, matches in found.items():
            for entry, numbers, rest in matches:
                view = entry.view(numbers, rest)
                if view.tensor in types:
                    views[name] = view
                    if problem := misfit(name, wanted[name], view, types[view.tensor][1]):
                        problems.append((entry.key, problem))
                elif not rest or load.needs(wanted[name]):
                    missing = missing or view.tensor
                    message = f"{load.path} has no tensor {quoted(view.tensor)} for `{shorten(name, SHOWN)}`"
                    problems.append((entry.key, message))
        self._raise(problems, (missing and missing_help(load, missing, types)) or HELP_VALUE)
        return views

    def _check_keys(self, found: Mapping[str, list[Match]], whose: str) -> None:
        """Each key names weights, and no two keys the same."""
        used = {entry.key for matches in found.values() for entry, *_ in matches}
        unused = [entry.key for entry in self._entries.values() if entry.key not in used]
        if unused:
            help = key_help(unused[0], {start for name in found for start in beginnings(name)})
            message = f"{whose} has no weight `{{}}`"
            self._raise([(key, message.format(shorten(key, SHOWN))) for key in unused], help)
        twice = {name: [entry.key for entry, *_ in m] for name, m in found.items() if len(m) > 1}
        self._raise([(b, f"`{shorten(name, SHOWN)}` has a value already, by {quoted(a)}")
                     for name, (a, b, *_) in twice.items()], "leave one of them out")  # fmt: skip

    def _matches(self, name: str, net: str | None) -> list[Match]:
        """The entries that name a weight."""
        both = (name, f"{net}.{name}") if net else (name,)
        found = (match for n in both for match in self._walk(n.split(".")))
        return sorted(found, key=lambda match: match[0].place)

    def _walk(self, parts: list[str]) -> Iterator[Match]:
        heads: list[tuple[str, tuple[int, ...]]] = [("", ())]
        for place, part in enumerate(parts):
            longer = ((f"{head}.{form}" if head else form, (*numbers, *number))
                      for head, numbers in heads for form, number in forms(part))  # fmt: skip
            heads = [(head, numbers) for head, numbers in longer if head in self._starts]
            rest = "".join(f".{part}" for part in parts[place + 1 :])
            yield from ((self._entries[h], numbers, rest) for h, numbers in heads if h in self._entries)

    def _raise(self, problems: list[tuple[str, str]], help: str) -> None:
        if problems:
            told = [f"line {self._line(key)}: {message}" for key, message in problems[:MAX_TOLD]]
            more = f"; and {len(problems) - MAX_TOLD} more" if len(problems) > MAX_TOLD else ""
            raise MapProblem(f"{self.name}, {'; '.join(told)}{more}", help)

    def _line(self, key: str) -> int | str:
        """The line of a key, by its text; a key that is written with escapes is shown instead."""
        found = re.search(re.escape(json.dumps(key, ensure_ascii=False)) + r"\s*:", self._text)
        return self._text.count("\n", 0, found.start()) + 1 if found else f"of {quoted(key)}"


def misfit(name: str, weight: Weight, view: View, stored: tuple[int, ...]) -> str:
    """The problem of a value that does not have the shape of its weight; empty if it has."""
    own, tensor = [*map(number, weight.value.type.shape)], quoted(view.tensor)
    try:
        shape = [*view.shape(stored)]
    except ValueError as error:
        return f"{tensor} {error}"
    of = f"{tensor} with {' '.join(f'`{step}`' for step in view.steps)}" if view.steps else tensor
    return "" if shape == own else f"`{shorten(name, SHOWN)}` has the shape {own}, and {of} {shape}"


def forms(part: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A part of a name as keys write it: as it stands, and as a copy with its number. `layer_2` is the second
    copy of `layer`, and the first of a block of that name."""
    yield part, ()
    yield f"{part}{{}}", (1,)
    if copy := COPY.fullmatch(part):
        yield f"{copy[1]}{{}}", (int(copy[2]),)


def beginnings(name: str) -> Iterator[str]:
    """`a.b.c`, `a.b` and `a`."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def quoted(name: str) -> str:
    return f'"{shorten(name, SHOWN)}"'


def key_help(key: str, names: Iterable[str]) -> str:
    """The nearest name of the spec, with the places for copies that the key has."""
    found = nearest_name(NUMBER.sub("", key), [*names])
    places = [part[part.find("{") :] if "{" in part else "" for part in key.split(".")]
    parts = found.split(".")
    if len(parts) == len(places):
        found = ".".join(part + place for part, place in zip(parts, places, strict=True))
    return f"did you mean `{shorten(found, SHOWN)}`?" if found else HELP_KEY


def missing_help(load: Load, tensor: str, names: Iterable[str]) -> str:
    """The fix for a tensor that a file does not have."""
    start = next((n.removesuffix(f".{tensor}") for n in names if n.endswith(f".{tensor}")), "")
    if start and not load.from_:
        return f'its names begin with `{shorten(start, SHOWN)}.`: write `from="{shorten(start, SHOWN)}"`'
    if found := nearest_name(tensor, [*names]):
        return f"did you mean {quoted(found)}?"
    start = tensor.rpartition(".")[0]
    beside = [name for name in names if start and name.startswith(f"{start}.")]
    return f"it has {listed(beside[:MAX_TOLD], VALUES, SHOWN)}" if beside else ""


def nearest_name(name: str, names: list[str]) -> str:
    """The nearest name, among those with the most equal parts at the start: the rest of a long name tells it
    apart. Empty if there is none."""
    parts, names = name.split("."), names[:MAX_COMPARED]
    for place in range(len(parts) - 1, -1, -1):
        start = "".join(f"{part}." for part in parts[:place])
        rests = [n.removeprefix(start) for n in names if n.startswith(start)]
        if found := nearest(name.removeprefix(start), rests):
            return start + found
        if start and rests:
            return ""
    return ""
