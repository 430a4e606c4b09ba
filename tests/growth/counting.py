"""Count the steps of a task, and find functions whose steps grow faster than the spec."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlc

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType

ROOT = str(Path(dlc.__file__).parent)
MOST = 3.3  # maximum growth of the increment when a spec doubles: 2 is linear, 4 is quadratic


def steps(task: Callable[[], object]) -> Counter[str]:
    """The number of lines that each function of dlc runs, and its calls of built-in functions. `pop` is not
    counted: every popped entry was counted when it was added, and the order of pops depends on the values."""
    lines: Counter[CodeType] = Counter()
    calls: Counter[tuple[CodeType, str]] = Counter()

    def enter(frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(ROOT):
            return None

        def step(frame: FrameType, event: str, arg: object) -> Any:
            lines[code] += 1
            return step

        lines[code] += 1
        return step

    def call(frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call" and arg.__name__ != "pop" and frame.f_code.co_filename.startswith(ROOT):
            calls[frame.f_code, arg.__name__] += 1

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(enter)
    sys.setprofile(call)
    try:
        task()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    named = {place(code): count for code, count in lines.items()}
    return Counter(named) + Counter(
        {f"{place(code)}: {name}": count for (code, name), count in calls.items()}
    )


def place(code: CodeType) -> str:
    return f"{code.co_filename.removeprefix(ROOT)}:{code.co_firstlineno} {code.co_qualname}"


def faster(counts: Sequence[Counter[str]], minimum: int) -> list[str]:
    """The functions that grow faster than the spec. From one count to the next, the spec doubles."""
    early, middle, late = counts
    return [
        f"{name}: {early[name]}, {middle[name]}, {late[name]}"
        for name in late
        if late[name] - middle[name] > max(MOST * (middle[name] - early[name]), minimum)
    ]
