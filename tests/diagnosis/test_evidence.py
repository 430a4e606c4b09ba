"""A diagnosis is made of what a run recorded: where evidence is missing, and in the run folder of a stranger,
it says nothing and does not fail."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ill_runs import noise, on, sides

import dlc
from dlc.runtime.diagnosis import HEALTHY, KINDS, compiled, diagnose
from dlc.runtime.run_record import read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram

NOISE = on(
    "binary", "dense(128) -> relu -> dense(1)", "optimizer = adam(lr=0.01)\n  epochs = 30\n  batch = 32"
)


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that learnt noise by heart."""
    return dlc.train(text=NOISE, data=noise(), out=tmp_path_factory.mktemp("noise")).folder


@pytest.fixture
def changed(overfitted: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """The kinds that are found in a copy of this run with some files changed, or without those that are
    None."""

    def diagnosed(**files: str | None) -> list[str]:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        copy = shutil.copytree(overfitted, tmp_path / "copy")
        for name, text in files.items():
            path = copy / {"metrics": "metrics.jsonl", "statistics": "statistics.jsonl"}.get(
                name, f"{name}.json"
            )
            path.unlink() if text is None else path.write_text(text, "utf-8")
        return [finding.kind for finding in diagnose(read_record(copy))]

    return diagnosed


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def written(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_each_kind_is_declared_whole() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 10
    for kind in KINDS:
        assert type(kind).__doc__ and kind.title and kind.rule.endswith(".") and kind.remedy.endswith(".")
        assert set(kind.explains) <= {other.name for other in KINDS} - {kind.name}


def test_without_rows_that_are_kept_apart_nothing_is_known_of_overfitting(tmp_path: Path) -> None:
    spec = NOISE.replace("validation = 0.2", "")
    assert [f.kind for f in dlc.train(text=spec, data=noise(), out=tmp_path).diagnosis] == [HEALTHY]


def test_each_evidence_alone_is_enough(overfitted: Path, changed: Callable[..., list[str]]) -> None:
    assert changed() == ["overfitting"]
    assert changed(statistics=None) == ["overfitting"]
    assert changed(answers=None) == ["overfitting"]  # the losses rise
    epochs = [epoch | {"validation": {}} for epoch in lines(overfitted / "metrics.jsonl")]
    assert changed(metrics=written(epochs)) == ["overfitting"]  # the answers are worse
    assert changed(metrics=written(epochs), answers=None) == [HEALTHY]
    assert changed(metrics="", statistics=None) == []


def test_losses_of_networks_that_take_turns_say_nothing_of_rates(tmp_path: Path) -> None:
    """The loss of a generator may rise and fall."""
    text = """
input  real: float[2]
input  noise: float[2]
output made: float[2]
net generator(z) { return z -> dense(16) -> relu -> dense(2) }
net critic(x) { return x -> dense(16) -> leaky_relu -> dense(1) }
noise -> generator -> made
data {
  real  = normal()
  noise = normal()
}
train {
  batch = 32
  steps = 600
  step critic { loss = bce(critic(real), 1) + bce(critic(made), 0) }
  step generator { loss = bce(critic(made), 1) }
}
"""
    [finding] = dlc.train(text=text, out=tmp_path).diagnosis
    assert (finding.kind, finding.evidence) == (HEALTHY, "nothing in its records is out of order")


def test_each_phase_has_findings_of_its_own(tmp_path: Path) -> None:
    text = on("class(2)", "dense(16) -> relu -> dense(2)", """batch = 32
  phase slow {
    epochs    = 8
    optimizer = sgd(lr=1e-5)
  }
  phase fast {
    epochs    = 20
    optimizer = adam(lr=0.01)
  }""")  # fmt: skip
    result = dlc.train(text=text, data=sides(), out=tmp_path)
    assert [finding.kind for finding in result.diagnosis] == [HEALTHY]
    names = {record["phase"] for record in read_record(result.folder).statistics}
    assert names == {"slow", "fast"}


def test_a_spec_without_weights_has_no_diagnosis(tmp_path: Path) -> None:
    text = "input x: float[2]\noutput y: float[2]\nx * 2 -> y\n"
    assert dlc.train(text=text, out=tmp_path).diagnosis == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["epoch", "phase", "train", "validation", "loss", "weights", "units", "name", "line",
                         "operator", "after", "last", "norm", "gradient", "update", "dead", "rows", "right",
                         "labels", "y", "variance", "error", "diverged", "rate", "best"]), inner, max_size=6),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=60)
@given(st.data())
def test_records_of_a_stranger_are_left_out(overfitted: Path, data: st.DataObject) -> None:
    """Whatever stands in the records, it is diagnosed without an exception."""

    def strange(record: Mapping[str, Any], most: int = 2) -> dict[str, Any]:
        names = st.sampled_from(sorted(record))
        return {**record, **data.draw(st.dictionaries(names, VALUES, max_size=most))}

    record = read_record(overfitted)
    epochs, taken = map(strange, record.epochs[:6]), list(map(strange, record.statistics[:4]))
    for one in taken:
        weights = one.get("weights")
        if isinstance(weights, list):
            one["weights"] = [strange(w, 1) if isinstance(w, dict) and w else w for w in weights]
    parts = st.sampled_from(["train", "validation", "test"])
    answers = data.draw(st.dictionaries(parts, st.dictionaries(st.just("y"), VALUES)))
    how = {**record.how, "warnings": data.draw(VALUES)}
    record = replace(record, epochs=tuple(epochs), statistics=tuple(taken), answers=answers, how=how)
    assert all(finding.title for finding in diagnose(record, program(overfitted)))


@cache
def program(folder: Path) -> CompiledProgram:
    found = compiled(read_record(folder))
    assert found is not None
    return found
