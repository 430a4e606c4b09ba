"""The time that dlc takes grows with a spec, and not with the square of it, whatever there is much of.

Steps are counted, so that nothing depends on the machine: where a spec doubles, no function may run more than
about twice as many lines. What Python does by itself, as it copies a list, the slow tests measure in seconds.
"""

from __future__ import annotations

import gc
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from counting import faster, steps
from shapes import grown, shapes
from tasks import TASKS, check, done, opened

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.diagnostics import suggest
from dlc.compiler.diagnostics.render import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

SOUND, WRONG = shapes("shapes.txt"), shapes("errors.txt")
ALL = SOUND | WRONG
USUAL = (
    "outputs with losses",
    "blocks",
    "inputs that are learnt from",
    "nets that are frozen and kept small",
)
SIZES = (8, 16, 32)
LARGER = (24, 48, 96)  # past the widths at which lines are broken
LARGEST = (40, 80, 160)


def grows(counted: Callable[[int], Callable[[], object]], sizes: tuple[int, int, int]) -> list[str]:
    """What grows faster than the size. What a first run loads is not counted."""
    counted(3)()
    return faster([steps(counted(size)) for size in sizes], least=20 * sizes[0])


@pytest.fixture
def no_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small specs are past the bound on what is compared with mistyped names, as large ones are."""
    monkeypatch.setattr(suggest, "MAX_COMPARED", 0)


@pytest.mark.parametrize("title", [t if t in USUAL else pytest.param(t, marks=pytest.mark.slow) for t in ALL])
@pytest.mark.usefixtures("no_fixes")
def test_checking(title: str) -> None:
    assert grows(lambda size: partial(check, grown(ALL[title], size)), SIZES) == []


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("title", USUAL[:2])
def test_tasks_of_what_is_most_usual(title: str, task: str) -> None:
    assert task_grows(title, task, LARGER) == []


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("title", SOUND)
def test_tasks(title: str, task: str) -> None:
    assert task_grows(title, task, LARGEST) == []


def task_grows(title: str, task: str, sizes: tuple[int, int, int]) -> list[str]:
    return grows(lambda size: partial(done, task, opened(grown(SOUND[title], size))), sizes)


# --- seconds ----------------------------------------------------------------------------------------------


def seconds(task: Callable[[], object]) -> float:
    """Seconds of the processor, without the collection of garbage."""
    gc.collect()
    gc.disable()
    begin = time.process_time()
    try:
        task()
        return time.process_time() - begin
    finally:
        gc.enable()


def assert_linear(short: float, long: float) -> None:
    """Four times the spec takes about four times as long, and not sixteen times; what takes no time at all is
    not measured well."""
    assert long < max(8 * short, 0.5)
    assert long < 20


@pytest.mark.slow
@pytest.mark.parametrize("title", ALL)
def test_seconds_of_checking(title: str) -> None:
    check(grown(ALL[title], 3))
    assert_linear(*(seconds(partial(check, grown(ALL[title], size))) for size in (400, 1600)))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("title", USUAL)
def test_seconds_of_tasks(title: str, task: str) -> None:
    done(task, opened(grown(SOUND[title], 3)))
    programs = [opened(grown(SOUND[title], size)) for size in (200, 800)]
    assert_linear(*(seconds(partial(done, task, program)) for program in programs))


# --- many errors ----------------------------------------------------------------------------------------


def test_of_many_errors_all_are_found_and_the_first_are_told_in_full() -> None:
    text = grown(WRONG["one operator mistyped"], 3200)
    with pytest.raises(CompileError) as caught:
        compile(Source("errors.dl", text))
    (found,) = caught.value.diagnostics
    assert [label.span.source.position(label.span.start)[0] for label in found.labels] == [*range(3, 13)]
    assert (found.message, found.help) == ("nothing is called `desne` here", "did you mean `dense`?")
    assert found.notes == ("and in 3_190 more places",)


def test_of_many_different_errors_all_are_found_and_the_first_are_told_in_full() -> None:
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


def test_of_many_warnings_and_a_late_error_the_error_is_told() -> None:
    text = grown(WRONG["layers that nothing reads"], 300) + "z = x -> dense(1) -> softmaxx\n"
    text = text.replace("-> y\n", "-> dropout(0.99) -> y\n").replace("dense(2)", "dropout(0.99)")
    with pytest.raises(CompileError) as caught:
        compile(Source("late.dl", text))
    drawn = str(caught.value)
    assert len(caught.value.diagnostics) > 300
    assert drawn.count("warning[") == MOST - 1
    assert "did you mean `softmax`?" in drawn
