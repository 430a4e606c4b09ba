"""The time of every command is linear in the size of the spec, whichever part of the spec is large.

Steps are counted, so that the result does not depend on the machine: if a spec doubles, no function may run
more than about twice as many lines, and no line more than about twice as often. Time within built-in
operations, such as copies of lists, is measured in seconds by the slow tests.
"""

from __future__ import annotations

import gc
import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pytest
from counting import faster, steps
from shapes import grown, shapes
from tasks import TASKS, check, opened, run

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.diagnostics import suggest
from dlc.compiler.diagnostics.render import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.program import Program

VALID, WRONG = shapes("shapes.txt"), shapes("errors.txt")
ALL = VALID | WRONG
USUAL = (
    "outputs with losses",
    "blocks",
    "inputs with fitted operators",
    "frozen and regularized nets",
)
SIZES = (8, 16, 32)
LARGER = (24, 48, 96)  # beyond the widths at which lines are wrapped
LARGEST = (40, 80, 160)  # beyond the size of a picture, which `show --svg` bounds


def grows(counted: Callable[[int], Callable[[], object]], sizes: tuple[int, int, int]) -> list[str]:
    """The functions and lines that grow faster than the size. The first run, with imports, is not counted."""
    counted(3)()
    return faster([steps(counted(size)) for size in sizes], minimum=20 * sizes[0])


@lru_cache(maxsize=16)
def program(title: str, size: int) -> Program:
    """A spec for all tasks. What it keeps between them is counted in the first one."""
    return opened(grown(VALID[title], size))


@pytest.fixture
def no_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare no mistyped names, as in specs beyond the bound on comparisons."""
    monkeypatch.setattr(suggest, "MAX_COMPARED", 0)


@pytest.mark.parametrize("title", [t if t in USUAL else pytest.param(t, marks=pytest.mark.slow) for t in ALL])
@pytest.mark.usefixtures("no_fixes")
def test_checking(title: str) -> None:
    assert grows(lambda size: partial(check, grown(ALL[title], size)), SIZES) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("title", VALID)
def test_tasks(title: str, task: str) -> None:
    sizes = LARGEST if task == "show --svg" else LARGER
    assert grows(lambda size: partial(run, task, program(title, size)), sizes) == []


# --- seconds ----------------------------------------------------------------------------------------------


def seconds(task: Callable[[], object]) -> float:
    """CPU seconds of a task, without garbage collection."""
    gc.disable()
    begin = time.process_time()
    try:
        task()
        return time.process_time() - begin
    finally:
        gc.enable()


def assert_linear(short: float, long: float) -> None:
    """A spec of four times the size takes about four times as long, not sixteen times. Times below 0.5 s are
    too short to compare."""
    assert long < max(8 * short, 0.5)
    assert long < 20


@pytest.mark.slow
@pytest.mark.parametrize("title", ALL)
def test_seconds_of_checking(title: str) -> None:
    check(grown(ALL[title], 3))
    assert_linear(*(seconds(partial(check, grown(ALL[title], size))) for size in (300, 1200)))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("title", USUAL)
def test_seconds_of_tasks(title: str, task: str) -> None:
    run(task, program(title, 3))
    assert_linear(*(seconds(partial(run, task, program(title, size))) for size in (150, 600)))


# --- many errors ----------------------------------------------------------------------------------------


def test_of_many_equal_errors_all_are_found_and_the_first_are_shown() -> None:
    text = grown(WRONG["one operator mistyped"], 3200)
    with pytest.raises(CompileError) as caught:
        compile(Source("errors.dl", text))
    (found,) = caught.value.diagnostics
    assert [label.span.source.position(label.span.start)[0] for label in found.labels] == [*range(3, 13)]
    assert (found.message, found.help) == ("nothing is called `desne` here", "did you mean `dense`?")
    assert found.notes == ("and in 3_190 more places",)


def test_of_many_different_errors_all_are_found_and_the_first_are_shown() -> None:
    text = grown(WRONG["operators mistyped"], 3200)
    with pytest.raises(CompileError) as caught:
        compile(Source("errors.dl", text))
    found = caught.value.diagnostics
    assert [d.line for d in found] == [*range(3, 3203)]
    helped = [bool(d.help) for d in found]
    assert all(helped[:10])
    assert not any(helped[-50:])
    drawn = str(caught.value)
    assert drawn.count("error[E0301]") == MOST
    assert drawn.endswith(f"... and {3200 - MOST:_} more")


def test_an_error_after_many_warnings_is_shown() -> None:
    text = grown(WRONG["layers that nothing reads"], 300) + "z = x -> dense(1) -> softmaxx\n"
    text = text.replace("-> y\n", "-> dropout(0.99) -> y\n").replace("dense(2)", "dropout(0.99)")
    with pytest.raises(CompileError) as caught:
        compile(Source("late.dl", text))
    drawn = str(caught.value)
    assert len(caught.value.diagnostics) > 300
    assert drawn.count("warning[") == MOST - 1
    assert "did you mean `softmax`?" in drawn
