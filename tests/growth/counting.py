"""Count the steps of a task, and find functions and lines whose steps grow faster than the spec."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType

    Trace = Callable[[FrameType, str, Any], Any]

ROOT = str(Path(dlc.__file__).parent)
MOST = 3.3  # maximum growth of the increment when a spec doubles: 2 is linear, 4 is quadratic


def steps(task: Callable[[], object], root: str = ROOT) -> Counter[str]:
    """How many lines each function in a folder runs, and how many times each of its lines runs. A loop on one
    line counts in each round. Built-in functions are not counted: a line calls each of them a fixed number of
    times, or it is counted again."""
    counters: dict[int, tuple[CodeType, Counter[int], Trace | None]] = {}  # by `id`: to hash code is slow

    def enter(frame: FrameType, event: str, arg: object) -> Trace | None:
        code = frame.f_code
        if id(code) not in counters:
            lines: Counter[int] = Counter()
            counters[id(code)] = (code, lines, counting(lines) if code.co_filename.startswith(root) else None)
        return counters[id(code)][2]

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        task()
    finally:
        sys.settrace(before)
    found: Counter[str] = Counter()
    for code, lines, _ in counters.values():
        name = f"{code.co_filename.removeprefix(root)}:{code.co_firstlineno} {code.co_qualname}"
        found[name] += lines.total()
        for line, count in lines.items():
            found[f"{name}: line {line}"] += count
    return found


def counting(lines: Counter[int]) -> Trace:
    """A trace function that counts the lines of a function."""

    def step(frame: FrameType, event: str, arg: object) -> Trace:
        lines[frame.f_lineno] += 1
        return step

    return step


def faster(counts: Sequence[Counter[str]], minimum: int) -> list[str]:
    """The functions and lines that grow faster than the spec, which doubles from one count to the next."""
    early, middle, late = counts
    return [
        f"{name}: {early[name]}, {middle[name]}, {late[name]}"
        for name in late
        if late[name] - middle[name] > max(MOST * (middle[name] - early[name]), minimum)
    ]
