"""The copies of a `repeat` as a loop, where each is written as the one before it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code
from dlc.compiler.lower.pytorch_source.frames import nodes_of, numbered_name
from dlc.compiler.lower.pytorch_source.statements import Loop, Places, local, mapped
from dlc.compiler.lower.pytorch_source.writer import Writer
from dlc.compiler.lower.symbolic import Local
from dlc.compiler.names import Names

if TYPE_CHECKING:
    from dlc.compiler.ir import Value
    from dlc.compiler.lower.pytorch_source.frames import Copies

Entries = dict[str, tuple[str, int]]  # of a module the list that it stands in, and its place there


def write_copies(outer: Writer, copies: Copies) -> None:
    before = len(outer.shared.frames)
    writers = []
    for items in copies.copies:
        writers.append(Writer(outer.shared, outer.frame))
        writers[-1].write_items(items)
    loop = as_loop(outer, writers, copies) if len(writers) > 1 else None
    if loop is None:
        del outer.shared.frames[before:]  # they are written again
        for items in copies.copies:
            outer.write_items(items)
        return
    for inner in writers:
        outer.members.update(inner.members)
    outer.body.append(loop)


def as_loop(outer: Writer, writers: list[Writer], copies: Copies) -> Loop | None:
    """The loop that does what the copies do; none where they differ in more than their modules, or where more
    than the next copy reads what one makes."""
    reads = [list(w.params) for w in writers]
    made = [made_by(outer, copies, place) for place in range(len(writers))]
    if len({*map(len, reads)}) > 1 or len({*map(len, made)}) > 1:
        return None
    slots = [i for i, keys in enumerate(zip(*reads, strict=True)) if len({*keys}) > 1]
    orders = set()
    for before, keys in zip(made, reads[1:], strict=False):
        if any(keys[i] not in before for i in slots):
            return None
        orders.add(tuple(before.index(keys[i]) for i in slots))
    if len(orders) != 1 or not only_the_next_reads(outer, copies, made):
        return None
    (order,) = orders
    if sorted(order) != list(range(len(made[0]))):
        return None
    names = entries(writers)
    if names is None or len({body_key(*each) for each in zip(writers, made, names, strict=True)}) != 1:
        return None
    first = writers[0]
    cells = {first.params[reads[0][i]]: Local() for i in slots}
    labels, members = labelled(names[0])

    def change(code: Code) -> Code | None:
        if code.kind == "member" and code.value in labels:
            return Code("entry", labels[code.value])
        if code.kind == "local" and code.value in cells:
            return local(cells[code.value])
        return outside.get(code.value) if code.kind == "local" else None

    outside = {first.params[key]: outer.code(key) for key in reads[0]}
    carried = []
    for i, place in zip(slots, order, strict=True):
        key, target = reads[0][i], Local(hint=outer.hints.get(made[-1][place], ""))
        update = first.code(made[0][place]).mapped(change)
        carried.append((target, cells[first.params[key]], outer.code(key), update))
        outer.give(made[-1][place], local(target))
    return Loop(len(writers), members, tuple(carried), tuple(mapped(s, change) for s in first.body))


def made_by(outer: Writer, copies: Copies, place: int) -> list[Value]:
    """What a copy makes that is read outside of it."""
    nodes = dict.fromkeys(nodes_of(copies.copies[place]))
    return [v for n in nodes for v in n.results if outer.shared.is_read_outside(v, nodes)]


def only_the_next_reads(outer: Writer, copies: Copies, made: list[list[Value]]) -> bool:
    for place, values in enumerate(made[:-1]):
        inside = {*nodes_of(copies.copies[place]), *nodes_of(copies.copies[place + 1])}
        if any(outer.shared.is_read_outside(value, inside) for value in values):
            return False
    return True


def entries(writers: list[Writer]) -> list[Entries] | None:
    """For each copy its own modules by their places in lists; none where these are not one behind the other."""
    common = set.intersection(*(set(writer.members) for writer in writers))
    found = [{a: numbered_name(a) for a in writer.members if a not in common} for writer in writers]
    first = list(found[0].values())
    step = Counter(base for base, _ in first)
    for place, own in enumerate(found):
        if list(own.values()) != [(base, start + place * step[base]) for base, start in first]:
            return None
    return found


def labelled(first: Entries) -> tuple[dict[str, str], tuple[tuple[str, str, int, int], ...]]:
    """What the modules of a copy are called in the loop; and the lists that it runs over."""
    step, free = Counter(base for base, _ in first.values()), Names()
    labels = {attr: free.claim(base) for attr, (base, _) in first.items()}
    return labels, tuple((labels[attr], base, start, step[base]) for attr, (base, start) in first.items())


def body_key(writer: Writer, made: list[Value], names: Entries) -> Any:
    """What the statements of all copies have in common."""
    order = {attr: place for place, attr in enumerate(names)}

    def of(code: Code) -> Any:
        if code.kind == "make":
            return writer.shared.key(code)
        return ("member", order[code.value]) if code.kind == "member" and code.value in order else None

    seen = Places(list(writer.params.values()), of)
    return seen.keys(writer.body), seen.codes([writer.code(value) for value in made])
