"""Copies as loops, where each is written as the one before it: else one behind the other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.lower.pytorch_source.code import Code
from dlc.compiler.lower.pytorch_source.frames import Each, nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.keys import mapped, statement_key
from dlc.compiler.lower.pytorch_source.writer import Writer, local

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.frames import Copies


def write_copies(writer: Writer, copies: Copies) -> None:
    writers, before = [], len(writer.shared.frames)
    for items in copies.copies:
        inner = Writer(writer.shared, writer.frame)
        inner.write_items(items)
        writers.append(inner)
    alone = len(writers) == 1 and not goes_on(writer, writers[0])
    loop = None if alone else as_loop(writer, writers, copies)
    if loop is None:
        del writer.shared.frames[before:]  # they are written again
        for items in copies.copies:
            writer.write_items(items)
        return
    for inner in writers:
        writer.members.update(inner.members)
    for target, *_ in loop.carried:
        writer.env[target] = local(target)
    writer.body.append(loop)


def goes_on(outer: Writer, inner: Writer) -> bool:
    """Whether one copy alone goes on with what stands before it: it is a loop, though a short one."""
    return bool(inner.members) and all(numbered_name(attr)[0] in outer.members for attr in inner.members)


def as_loop(outer: Writer, writers: list[Writer], copies: Copies) -> Each | None:
    """The loop that does what the copies do; none where they differ in more than their modules."""
    made = [{v for n in nodes_of(items) for v in n.results} for items in copies.copies]
    reads = [[key for key in w.params if not is_own(outer, key)] for w in writers]
    given = [given_by(outer, copies, place) for place in range(len(writers))]
    if len({len(r) for r in reads}) > 1 or len({len(g) for g in given}) > 1:
        return None
    slots = [i for i, keys in enumerate(zip(*reads, strict=True)) if len({*keys}) > 1]
    orders: list[list[int]] = []
    if len(writers) == 1:
        if len(reads[0]) != 1 or len(given[0]) != 1:
            return None
        slots, orders = [0], [[0]]
    for place in range(1, len(writers)):
        if any(reads[place][i] not in given[place - 1] for i in slots):
            return None
        orders.append([given[place - 1].index(reads[place][i]) for i in slots])
    if len({tuple(o) for o in orders}) != 1 or sorted(orders[0]) != list(range(len(given[0]))):
        return None
    if any(reads[0][i] in made[0] for i in slots) or not one_after_the_other(outer, copies, given):
        return None
    names = entries(writers)
    if names is None or len({body_of(w, r, n) for w, r, n in zip(writers, reads, names, strict=True)}) > 1:
        return None
    return loop_of(outer, writers[0], reads[0], given, slots, orders[0], names, len(writers))


def is_own(outer: Writer, key: Any) -> bool:
    weight = outer.shared.weights.get(key) if isinstance(key, Value) else None
    return weight is not None and outer.owns(weight.name)


def given_by(outer: Writer, copies: Copies, place: int) -> list[Value]:
    """What a copy makes that is read outside of it."""
    nodes = dict.fromkeys(nodes_of(copies.copies[place]))
    return [v for n in nodes for v in n.results if outer.shared.leaves(v, nodes)]


def one_after_the_other(outer: Writer, copies: Copies, given: list[list[Value]]) -> bool:
    """Whether what each copy gives is read by the next alone."""
    for place, values in enumerate(given[:-1]):
        following = set(nodes_of(copies.copies[place + 1])) | set(nodes_of(copies.copies[place]))
        if any(outer.shared.leaves(value, following) for value in values):
            return False
    return True


def entries(writers: list[Writer]) -> list[dict[str, tuple[str, int]]] | None:
    """For each copy its modules, each with the list that it stands in, and its place there."""
    found: list[dict[str, tuple[str, int]]] = []
    for writer in writers:
        own = {}
        for attr in writer.members:
            own[attr] = numbered_name(attr)
        found.append(own)
    shapes = {tuple(base for base, _ in own.values()) for own in found}
    if len(shapes) != 1:
        return None
    per_copy: dict[str, int] = {}
    for base, _ in found[0].values():
        per_copy[base] = per_copy.get(base, 0) + 1
    for first, (place, own) in ((found[0], pair) for pair in enumerate(found)):
        steps = [
            (b - a) == place * per_copy[base]
            for (base, a), (_, b) in zip(first.values(), own.values(), strict=True)
        ]
        if not all(steps):
            return None
    return found


def body_of(writer: Writer, reads: list[Any], names: dict[str, tuple[str, int]]) -> Any:
    """What the statements of all copies have to have in common."""
    order = {name: place for place, name in enumerate(names)}
    places: dict[Any, int] = {key: place for place, key in enumerate(reads)}

    def of(code: Code) -> Any:
        return ("member", order[code.value]) if code.kind == "member" and code.value in order else None

    return tuple(statement_key(s, places, of) for s in writer.body)


def loop_of(
    outer: Writer,
    first: Writer,
    reads: list[Any],
    given: list[list[Value]],
    slots: list[int],
    order: list[int],
    names: list[dict[str, tuple[str, int]]],
    copies: int,
) -> Each:
    cells = {reads[i]: object() for i in slots}
    labels: dict[str, str] = {}
    members = []
    steps, free = Counter(base for base, _ in names[0].values()), UniqueNames()
    for attr, (base, start) in names[0].items():
        labels[attr] = free.claim(base)
        members.append((labels[attr], base, start, steps[base]))

    def within(code: Code) -> Code | None:
        if code.kind == "member" and code.value in labels:
            return Code("entry", labels[code.value])
        return Code("local", cells[code.value]) if code.kind == "local" and code.value in cells else None

    carried = tuple(
        (given[-1][o], cells[reads[i]], outer.value(reads[i])._code, Code("local", given[0][o]))
        for i, o in zip(slots, order, strict=True)
    )
    for key in reads:
        outer.value(key)
    return Each(copies, tuple(members), carried, tuple(mapped(s, within) for s in first.body))
