"""Listeners of a training in Python. Pyright checks this file: a listener is typed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np
import pytest

import dlc

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.pipeline import Result
    from dlc.runtime.training.history import Epoch, Moment, PhaseEnd, Trained
    from dlc.runtime.training.training_plan import TrainingPlan

PAGE = Path(__file__).parents[2] / "docs" / "watching.md"
SPEC = """
input  flower: float[4]
output species: class(3)
h = flower -> standardize -> dense(8) -> relu -> dense(3)
h -> species
data {
  source     = builtin("iris")
  validation = 0.2
  test       = 0.2
}
train {
  phase first { epochs = 1 }
  phase second { epochs = 2
                 sample = [h] }
}
"""


class Heard(dlc.Listener):
    """Everything that a training tells, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.kept: Mapping[str, np.ndarray] = {}

    def begin(
        self, program: CompiledProgram, plans: Sequence[TrainingPlan], history: Sequence[Epoch] = ()
    ) -> None:
        self.calls.append(("begin", (program.name, [plan.epochs for plan in plans], len(history))))

    def step(self, moment: Moment) -> None:
        assert_type(moment.losses(), dict[str, float])

    def samples(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        self.calls.append(("samples", {name: array.shape[1:] for name, array in values.items()}))

    def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
        assert_type(epoch.gradient_norm, float)
        assert_type(epoch.validation, dict[str, float])
        assert epoch.gradient_norm > 0 and epoch.rows_per_second > 0
        self.calls.append(("epoch", epoch.epoch))
        self.kept = weights()

    def phase(self, phase: PhaseEnd) -> None:
        self.calls.append(("phase", (phase.name, phase.first, phase.last)))

    def end(self, trained: Trained) -> None:
        assert_type(trained.weights, Mapping[str, np.ndarray])
        self.calls.append(("end", trained.ended))


def test_a_listener_is_told_about_each_moment(tmp_path: Path) -> None:
    heard = Heard()
    result = dlc.train(text=SPEC, out=tmp_path, listeners=[heard])
    if TYPE_CHECKING:
        assert_type(result, Result)
    told = [call for call in heard.calls if call[0] != "samples"]
    assert told == [
        ("begin", ("text", [1, 2], 0)), ("epoch", 1), ("phase", ("first", 1, 1)),
        ("epoch", 2), ("epoch", 3), ("phase", ("second", 2, 3)), ("end", "done"),
    ]  # fmt: skip
    assert ("samples", {"h": (3,)}) in heard.calls
    assert result.trained is not None
    assert heard.kept.keys() == result.weights.keys() and heard.kept["dense.weight"].shape == (8, 4)
    assert all(np.array_equal(heard.kept[name], result.weights[name]) for name in heard.kept)


def test_listeners_are_called_in_their_order_and_need_no_method(tmp_path: Path) -> None:
    order: list[str] = []

    class Named(dlc.Listener):
        def __init__(self, name: str) -> None:
            self.name = name

        def end(self, trained: Trained) -> None:
            order.append(self.name)

    dlc.train(text=SPEC, out=tmp_path, listeners=[Named("a"), dlc.Listener(), Named("b")])
    assert order == ["a", "b"]


def test_what_a_listener_raises_ends_the_training(tmp_path: Path) -> None:
    class Full(dlc.Listener):
        def epoch(self, epoch: Epoch, weights: Callable[[], Mapping[str, np.ndarray]]) -> None:
            if epoch.epoch == 2:
                raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        dlc.train(text=SPEC, out=tmp_path, listeners=[Full()])
    (run,) = (path for path in (tmp_path / "text").iterdir() if path.is_dir() and not path.is_symlink())
    assert (run / "weights.safetensors").is_file() and len(
        (run / "metrics.jsonl").read_text().splitlines()
    ) == 2


def test_the_example_of_the_page_prints_what_it_shows(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["done after 3 epochs", "3"]


def test_the_page_lists_the_methods_and_the_keys_of_an_epoch() -> None:
    from dlc.runtime.training.history import Epoch

    text = PAGE.read_text(encoding="utf-8")
    methods = [name for name in vars(dlc.Listener) if not name.startswith("_")]
    assert not [name for name in methods if not re.search(rf"^\| `{name}\(", text, re.MULTILINE)]
    record = Epoch(1, 1, 0.1, 1.0, {}, {}, True, (0.1, 0.2), "first").record()
    assert not [key for key in record if f"`{key}`" not in text]


@pytest.mark.parametrize(
    "given, why",
    [
        ([object()], "a listener is an object of a class below dlc.Listener, not object"),
        ([Heard], "a listener is an object of a class below dlc.Listener, not the class Heard"),
        (Heard(), "listeners is a list of objects of dlc.Listener, not Heard"),
        (1, "listeners is a list of objects of dlc.Listener, not int"),
    ],
)
def test_what_is_no_listener_is_refused_before_anything_runs(given: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=re.escape(why)):
        dlc.train(text=SPEC, out=tmp_path, listeners=given)
    assert not [*tmp_path.iterdir()]
