"""Runs that are made ill in each way are told, each by the right name; healthy ones are called healthy; and
what the diagnosis advises heals them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ill_runs import ILL

import dlc
from dlc.runtime.diagnosis import HEALTHY, KINDS, diagnose
from dlc.runtime.run_record import read_record

if TYPE_CHECKING:
    from ill_runs import Ill

    from dlc.runtime.diagnosis import Finding
    from dlc.runtime.run_record import RunRecord

SPECS = Path(__file__).parents[2] / "specs"
HEALTHY_SPECS = ("iris", "penguins", "breast_cancer", "wine", "diabetes", "xor", "mlp")
SLOW_HEALTHY_SPECS = (
    "two_inputs_two_outputs", "missing_targets", "sunspots", "spam", "digits_cnn", "sine", "co2",
    "autoencoder_pca", "handwriting", "augmented_digits",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@cache
def run(ill: Ill, folder: Path) -> RunRecord:
    """The record of an ill training."""
    return trained(ill, ill.spec, folder / ill.name)


def trained(ill: Ill, spec: str, folder: Path) -> RunRecord:
    """The record of a training of a spec on the rows of an ill one. It may end with the error that it
    diverged."""
    try:
        dlc.train(text=spec, data=ill.rows() if ill.rows else None, out=folder)
    except dlc.CompileError as error:
        assert [found.code for found in error.diagnostics] == ["E0802"]
    return read_record(folder / "text" / "latest")


def named(name: str) -> Ill:
    return next(ill for ill in ILL if ill.name == name)


def found(name: str, folder: Path) -> Finding:
    """The finding of the kind of an ill training."""
    ill = named(name)
    return next(f for f in diagnose(run(ill, folder)) if f.kind == ill.kind)


def healed(ill: Ill, folder: Path, *changes: tuple[str, str]) -> RunRecord:
    """The record of an ill training with changes in its spec."""
    spec = ill.spec
    for before, after in changes:
        assert before in spec
        spec = spec.replace(before, after)
    return trained(ill, spec, folder / f"{ill.name}_healed")


def kinds(record: RunRecord) -> list[str]:
    return [finding.kind for finding in diagnose(record)]


def test_each_kind_has_three_ill_runs() -> None:
    assert Counter(ill.kind for ill in ILL).keys() == {kind.name for kind in KINDS}
    assert min(Counter(ill.kind for ill in ILL).values()) >= 3


@pytest.mark.parametrize("ill", ILL, ids=lambda ill: f"{ill.kind}-{ill.name}")
def test_an_ill_run_is_told(ill: Ill, folder: Path) -> None:
    findings = diagnose(run(ill, folder))
    finding = next((f for f in findings if f.kind == ill.kind), None)
    assert finding, [f.kind for f in findings]
    assert re.search(r"\d", finding.evidence), "a finding has numbers"
    assert finding.fix
    lines = ill.spec.count("\n") + 1
    assert all(1 <= line <= lines for line in finding.lines)


@pytest.mark.parametrize("name", HEALTHY_SPECS)
def test_a_healthy_run_is_called_healthy(name: str, folder: Path) -> None:
    [finding] = dlc.train(SPECS / f"{name}.dl", out=folder).diagnosis
    assert finding.kind == HEALTHY, finding


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_HEALTHY_SPECS)
def test_a_longer_healthy_run_is_called_healthy(name: str, folder: Path) -> None:
    [finding] = dlc.train(SPECS / f"{name}.dl", out=folder).diagnosis
    assert finding.kind == HEALTHY, finding


# --- evidence ---------------------------------------------------------------------------------------------


def test_the_numbers_of_overfitting_are_those_of_the_epochs(folder: Path) -> None:
    record = run(named("noise_is_learnt"), folder)
    losses = [epoch["validation"]["loss"] for epoch in record.epochs]
    lowest = min(losses)
    evidence = found("noise_is_learnt", folder).evidence
    assert f"was {lowest:.3g} after epoch {losses.index(lowest) + 1}" in evidence
    assert f"rose to {losses[-1]:.3g} in epoch {len(losses)}" in evidence


def test_a_neglected_class_is_counted_right(folder: Path) -> None:
    """The counts are those of the artifact's answers to the same rows."""
    ill = named("a_third_class")
    record, rows = run(ill, folder), ill.rows()
    answers = dlc.load(record.folder / "model.onnx").predict({"x": rows["x"]})["y"]
    told = {part: record.answers[part]["y"] for part in ("train", "validation")}
    for label in range(3):
        of_class = rows["y"] == label
        assert sum(of["rows"][label] for of in told.values()) == of_class.sum()
        assert sum(of["right"][label] for of in told.values()) == (answers[of_class] == label).sum()
        assert sum(of["answered"][label] for of in told.values()) == (answers == label).sum()
    of = told["train"]
    words = f"of the {of['rows'][2]} training rows with `y` = 2 ("
    assert words in found("a_third_class", folder).evidence


def test_a_network_that_answers_one_class_always_neglects_none(folder: Path) -> None:
    """38 % of the rows have the other class, so it is not for being rare that it is not answered."""
    assert kinds(run(named("always_the_same_class"), folder)) == ["underfitting"]


def test_a_step_that_kills_the_units_is_told_as_the_cause(folder: Path) -> None:
    cause, dead = diagnose(run(named("a_step_that_kills"), folder))
    assert (cause.kind, dead.kind) == ("rate_too_high", "dead_units")
    assert re.search(r"epoch 1 replaced \d+ % of the weights, and \d+ of 64 units of `relu`", cause.evidence)
    for finding in (cause, dead):
        assert finding.fix.startswith("`optimizer = sgd(lr=0.1, momentum=0.9)`")


def test_a_healthy_run_is_told_with_its_test_loss(folder: Path) -> None:
    dlc.train(SPECS / "iris.dl", out=folder / "with_test")
    record = read_record(folder / "with_test" / "iris" / "latest")
    (healthy,) = diagnose(record)
    assert f"the test loss is {record.figures['test']['loss']:.3g}" in healthy.evidence


def test_a_leak_is_told_with_the_column(folder: Path) -> None:
    finding = found("the_target_in_other_units", folder)
    assert "`x[5]` alone gives `y` away" in finding.evidence
    assert "leave it out of `x`" in finding.fix


def test_a_leak_that_the_spec_allows_is_not_told(folder: Path) -> None:
    given = "input  x: float[8]"
    record = healed(
        named("the_target_in_other_units"), folder, (given, f"{given}  # allow W0718: known before")
    )
    assert "leak" not in kinds(record)


# --- what is advised --------------------------------------------------------------------------------------


def test_weights_of_classes_that_are_advised_answer_the_rare_class(folder: Path) -> None:
    ill = named("a_rare_yes")
    (loss,) = re.findall(r"`(loss = [^`]*)`", found(ill.name, folder).fix)
    assert "neglected_classes" not in kinds(healed(ill, folder, ("train {", f"train {{\n  {loss}")))


def test_early_stopping_that_is_advised_keeps_a_better_epoch(folder: Path) -> None:
    ill = named("noise_is_learnt")
    assert "`early_stop = patience(10)`" in found(ill.name, folder).fix
    stopped = healed(ill, folder, ("train {", "train {\n  early_stop = patience(10)"))
    losses = [record.figures["validation"]["loss"] for record in (run(ill, folder), stopped)]
    assert losses[1] < losses[0] / 2
    assert not any("rose" in finding.evidence for finding in diagnose(stopped))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["adam_jumps", "momentum_swings", "rmsprop_jumps", "sgd_diverges", "adam_crawls", "sgd_crawls"]
)
def test_the_rate_that_is_advised_heals_in_a_few_rounds(name: str, folder: Path) -> None:
    ill, finding, optimizer = named(name), found(name, folder), ""
    for number in range(5):
        (optimizer,) = re.findall(r"`(optimizer = [^`]*)`", finding.fix)
        spec = re.sub(r"optimizer = .*", optimizer, ill.spec)
        findings = {f.kind: f for f in diagnose(trained(ill, spec, folder / f"{name}_{number}"))}
        if not {"rate_too_high", "rate_too_low"} & findings.keys():
            return
        finding = findings[ill.kind]
    raise AssertionError(f"still {ill.kind} with {optimizer}")


def test_the_scale_that_is_advised_reaches_numbers_far_away(folder: Path) -> None:
    ill = named("a_mean_far_away")
    finding = found(ill.name, folder)
    assert re.search(r"answered worse than by its mean in all training rows \(R2 -\d", finding.evidence)
    (scaled,) = re.findall(r"`([^`]* \* h \+ [^`]* -> y)`", finding.fix)
    record = healed(
        ill, folder, ("x -> dense(16)", "h = x -> dense(16)"), ("dense(1) -> y", f"dense(1)\n{scaled}")
    )
    assert record.figures["train"]["loss"] < run(ill, folder).figures["train"]["loss"] / 10
    assert "rate_too_low" not in kinds(record)


@pytest.mark.slow
def test_another_activation_that_is_advised_brings_dead_units_to_life(folder: Path) -> None:
    for name in ("a_shift_before_relu", "a_large_negative_bias"):
        assert "`leaky_relu` in place of `relu`" in found(name, folder).fix
        assert "dead_units" not in kinds(healed(named(name), folder, ("relu", "leaky_relu")))


@pytest.mark.slow
def test_standardized_inputs_that_are_advised_end_saturation(folder: Path) -> None:
    assert "`standardize` for the inputs" in found("large_inputs", folder).fix
    assert kinds(healed(named("large_inputs"), folder, ("x -> ", "x -> standardize -> "))) == [HEALTHY]


@pytest.mark.slow
def test_layers_that_are_advised_let_gradients_through(folder: Path) -> None:
    ill = named("ten_sigmoids")
    assert "`relu` in place of `sigmoid`" in found(ill.name, folder).fix
    record = healed(ill, folder, ("-> sigmoid", "-> layernorm -> relu"))
    assert "vanishing_gradients" not in kinds(record)
    assert record.figures["train"]["accuracy"] > 0.8
    assert "leave `init=` out" in found("large_weights", folder).fix
    usual = healed(named("large_weights"), folder, (", init=normal(1)", ""))
    assert "exploding_gradients" not in kinds(usual)
