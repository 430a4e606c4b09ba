"""`python -m benchmarks gpu`: its checks run on a CPU as far as that goes, and each fails where it should;
the run keeps what it has, whatever happens to a part; the page is what the results say."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from benchmarks import __main__ as benchmarks
from benchmarks.gpu import PARTS, Part, command, memory, optimizers, parity, placement, precision, runner
from benchmarks.gpu.checks import Check, Found, Row, checks_of, row_of
from benchmarks.gpu.golden import Training, golden
from benchmarks.gpu.page import BEGIN, END, block, with_block
from benchmarks.gpu.results import Results, load

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")
NAMES = {part.name: part for part in PARTS}
MINUTES = 8
IMPORTS = 20  # seconds before the first part
EMPTY = Results("2026-01-02", "A GPU", "600.1", "16 cores", "torch 2", ())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def outcomes(part: str) -> dict[str, Row]:
    checks = checks_of(NAMES[part].module, CPU, quick=True)
    return {check.what: row_of(part, check, CPU, time.monotonic() + 600) for check in checks}


# --- the checks, on a CPU ---------------------------------------------------------------------------------


SLOW = ("optimizers", "memory", "layout")


@pytest.mark.parametrize(
    "part",
    ["placement", "parity", "precision", *(pytest.param(p, marks=pytest.mark.slow) for p in SLOW)],
)
def test_checks_pass_on_a_cpu(part: str) -> None:
    rows = outcomes(part)
    assert rows
    for what, row in rows.items():
        assert row.outcome in ("pass", "measured") or row.error == "only a GPU can show it", (what, row)


@pytest.mark.slow
def test_trainings_are_timed_on_a_cpu() -> None:
    rows = outcomes("speed")
    assert len(rows) == 3
    assert all(row.outcome in ("pass", "FAIL") and "the script" in row.figure for row in rows.values())


def test_what_only_a_gpu_can_show_is_marked() -> None:
    marked = {check.what for part in PARTS for check in checks_of(part.module, CPU, True) if check.gpu_only}
    assert marked == {
        "rows are kept on the device below 40 % of its free memory", "peak of training ResNet-18, batch 64",
    }  # fmt: skip


def test_tensors_and_operators_elsewhere_are_found() -> None:
    training = Training(golden("digits_cnn"), CPU)
    batches, made = next(training.batches), placement.Elsewhere(torch.device("cuda"))
    with made:
        training.step(batches)
    assert {"operator convolution", "operator convolution_backward"} <= made.found.keys()
    weight = next(iter(training.forms.weights))
    held = dict(placement.tensors(training, batches))
    assert {
        f"weight {weight}",
        f"gradient of {weight}",
        "field 0 of a batch",
        "exp_avg 0.0",
    } <= held.keys()


def test_an_epoch_that_draws_other_numbers_fails(monkeypatch) -> None:
    monkeypatch.setattr("dlc.runtime.training.snapshot.set_random_states", lambda device, states: None)
    assert placement.replay(CPU).outcome == "FAIL"


@pytest.mark.parametrize(("off", "outcome"), [(1e-6, "pass"), (1e-2, "FAIL")])
def test_answers_that_differ_fail(off: float, outcome: str, monkeypatch) -> None:
    right = parity.torch_answers

    def wrong(*given):
        return {name: values if values.dtype.kind == "i" else values + off
                for name, values in right(*given).items()}  # fmt: skip

    monkeypatch.setattr(parity, "torch_answers", wrong)
    assert parity.compare("wine", 2, CPU).outcome == outcome


def test_training_in_float32_is_not_taken_for_bfloat16(monkeypatch) -> None:
    monkeypatch.setattr(precision, "golden", lambda name, rows, settings: golden(name, rows))
    found = precision.train("digits_cnn", precision.BF16, CPU)
    assert found.outcome == "FAIL" and "convolution in float32" in found.figure


def test_a_fused_optimizer_that_goes_elsewhere_fails(monkeypatch) -> None:
    def unfuse(changing: optimizers.Changing) -> None:
        for group in changing.groups:
            group |= {"fused": False, "lr": 2 * group["lr"]}

    monkeypatch.setattr(optimizers.Changing, "unfuse", unfuse)
    assert optimizers.compare("adam", "digits_cnn", 1, CPU).outcome == "FAIL"


@pytest.mark.parametrize(("ample", "scarce", "outcome"), [(9, 1, "pass"), (1, 1, "FAIL"), (9, 9, "FAIL")])
def test_memory_tells_where_rows_are_kept(ample: int, scarce: int, outcome: str, monkeypatch) -> None:
    size = memory.resident(300, CPU, memory.AMPLE).size
    peaks = iter([ample, scarce])
    monkeypatch.setattr(memory, "peak", lambda work, device: next(peaks) * size // 4)
    assert memory.kept(300, CPU).outcome == outcome


# --- a run, whatever happens ------------------------------------------------------------------------------

FAKE = """
import os, sys, time
from benchmarks.gpu.checks import Check, Found

def fail(): raise ValueError("a | b")
def lose(): raise RuntimeError("CUDA error: an illegal memory access was encountered")
def hang(): time.sleep(1000)
def tell(): return Found(str(os.getpid()), "any", True)

def checks(device, quick):
    found = {"first": tell, "fails": fail, "dies": lambda: os._exit(3), "after": tell, "loses": lose,
             "last": tell, "hangs": hang, "behind": tell}
    return [Check(name, found[name]) for name in NAMES]
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch):
    """A part of these checks."""

    def make(*names: str) -> Part:
        (tmp_path / "fake_part.py").write_text(f"NAMES = {names!r}\n{FAKE}", "utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return Part("fake_part", 60, "what is made up")

    return make


@pytest.mark.slow
def test_a_part_goes_on_after_a_crash_and_a_lost_gpu(fake) -> None:
    part = fake("first", "fails", "dies", "after", "loses", "last")
    rows = list(runner.rows_of(part, CPU, time.monotonic() + 200))
    assert [(row.what, row.outcome) for row in rows] == [
        ("first", "pass"), ("fails", "FAIL"), ("dies", "FAIL"), ("after", "pass"), ("loses", "FAIL"),
        ("last", "pass"),
    ]  # fmt: skip
    assert rows[1].error == "ValueError: a | b"
    assert rows[2].error == "the process ended with 3"
    assert len({rows[place].figure for place in (0, 3, 5)}) == 3  # each in another process


def test_a_part_that_does_not_start_is_a_row_that_fails() -> None:
    (row,) = runner.rows_of(Part("no_such_part", 60, ""), CPU, time.monotonic() + 200)
    assert (row.what, row.outcome, row.error) == ("its start", "FAIL", "the process ended with 1")


@pytest.mark.slow
def test_a_part_that_hangs_is_stopped_when_its_time_is_over(fake) -> None:
    began = time.monotonic()
    rows = list(runner.rows_of(fake("first", "hangs", "behind"), CPU, began + 40))
    assert [(row.outcome, row.error) for row in rows] == [
        ("pass", ""), ("FAIL", runner.STOPPED), ("not run", "no time was left")
    ]  # fmt: skip
    assert time.monotonic() - began < 50


def test_a_check_past_its_time_does_not_run() -> None:
    row = row_of("part", Check("late", lambda: Found("", "", True)), CPU, time.monotonic() - 1)
    assert (row.outcome, row.error) == ("not run", "no time was left")


def test_all_parts_fit_their_time() -> None:
    assert sum(part.seconds for part in PARTS) + 3 * runner.GRACE + IMPORTS <= MINUTES * 60


def made_up(rows: list[Row], seen: list[int] | None = None, path: Path | None = None):
    """Stands for the rows of a part; notes how many were in the file as each was asked for."""

    def rows_of(part: Part, device: torch.device, until: float) -> Iterator[Row]:
        for row in rows:
            if path is not None and seen is not None:
                seen.append(len(json.loads(path.read_text("utf-8"))["rows"]) if path.exists() else 0)
            if row.what == "interrupted":
                raise KeyboardInterrupt
            yield row

    return rows_of


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "gpu.md"
    path.write_text(f"# GPUs\n\n{BEGIN}\nold\n{END}\n\nThe rest.\n", "utf-8")
    return path


ROWS = [
    Row("placement", "iris", "pass", "losses 1, 0.5", "losses finite", 1.25),
    Row("placement", "xor", "FAIL", error="ValueError: a | b"),
    Row("placement", "wine", "not run", error="no time was left"),
]


def test_each_result_is_written_as_soon_as_it_is_there(tmp_path: Path, page: Path, monkeypatch) -> None:
    path, seen = tmp_path / "results.json", list[int]()
    monkeypatch.setattr(command, "rows_of", made_up(ROWS, seen, path))
    results = command.run(PARTS[:1], CPU, path, page)
    assert seen == [0, 1, 2]
    assert results.failed and results.complete and load(path) == results
    assert page.read_text("utf-8") == with_block(page.read_text("utf-8"), results)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["gpu.md", "results.json"]


def test_a_run_that_is_cut_off_keeps_what_it_has(tmp_path: Path, page: Path, monkeypatch) -> None:
    path = tmp_path / "results.json"
    rows = [ROWS[0], Row("placement", "interrupted", "pass"), ROWS[1]]
    monkeypatch.setattr(command, "rows_of", made_up(rows))
    with pytest.raises(KeyboardInterrupt):
        command.run(PARTS, CPU, path, page)
    kept = load(path)
    assert kept is not None and kept.rows == (ROWS[0],) and not kept.complete
    assert "The run was interrupted" in page.read_text("utf-8")


@pytest.mark.parametrize(("rows", "code"), [(ROWS[:1], 0), (ROWS, 1)])
def test_a_failed_check_ends_the_command_with_1(rows, code, tmp_path: Path, page: Path, monkeypatch) -> None:
    monkeypatch.setattr(command, "PAGE", page)
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "rows_of", made_up(rows))
    monkeypatch.setattr(command, "begun", lambda device: EMPTY)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "gpu"])
    assert benchmarks.main() == code


def test_without_a_gpu_it_says_so_and_writes_nothing(monkeypatch, capsys) -> None:
    before = command.PAGE.read_bytes(), command.RESULTS.exists()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "gpu"])
    assert benchmarks.main() == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("no NVIDIA GPU") and told.err.count("\n") == 1
    assert (command.PAGE.read_bytes(), command.RESULTS.exists()) == before


# --- the page ---------------------------------------------------------------------------------------------


def test_the_page_in_git_is_what_the_results_say() -> None:
    text = command.PAGE.read_text("utf-8")
    assert text == with_block(text, load(command.RESULTS))


def test_without_results_the_page_lists_what_would_be_proved() -> None:
    text = block(None)
    assert "Not run yet on a GPU" in text
    assert all(f"- **{part.name}**: {part.shows}" in text for part in PARTS)


def test_the_page_tells_every_row_and_the_errors() -> None:
    text = block(replace(EMPTY, rows=tuple(ROWS), seconds=12.3, complete=True))
    assert "Run on 2026-01-02 in 12 s: A GPU, driver 600.1, 16 cores; torch 2." in text
    assert "interrupted" not in text
    assert "| placement | 1 | 1 | 0 | 1 |" in text
    assert "| iris | losses 1, 0.5 | losses finite | pass | 1.2 |" in text
    assert "| xor | ValueError: a \\| b |  | FAIL | 0.0 |" in text
    assert text.endswith("\n\nNot run, as no time was left: 1.")
