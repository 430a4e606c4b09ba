"""The benchmarks run, what they compare is the same, and what they report follows from the times."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from benchmarks import (
    decoding,
    decoding_rivals,
    exporting,
    first_specs,
    recurrent,
    sequence_rivals,
    start,
    training,
    transformer_rivals,
    transformers,
)
from benchmarks.calm import Look
from benchmarks.report import TITLES, page, row, section, sections
from benchmarks.rivals import Answers
from benchmarks.rivals import train as train_by_hand
from benchmarks.timing import Comparison, Effort, Sweep, Timing, interleave

import dlc
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.open_rows import open_data
from dlc.runtime.training.learner import Learner
from dlc.runtime.training.loop import train
from dlc.runtime.training.torch_forms import Forms

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
NAMES = [work.title for work in training.WORKLOADS]


def network_with(work: training.Workload, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    """The network by hand with the weights of the spec."""
    network = work.network()
    fill(network, weights)
    return network.train()


def fill(network: torch.nn.Module, weights: dict[str, np.ndarray]) -> None:
    own = [t for name, t in network.state_dict().items() if not name.endswith("num_batches_tracked")]
    for tensor, array in zip(own, weights.values(), strict=True):
        tensor.copy_(torch.from_numpy(array))


@pytest.mark.parametrize("work", training.WORKLOADS, ids=NAMES)
def test_steps_by_hand_are_those_of_dlc(work: training.Workload, tmp_path: Path) -> None:
    work.write_rows(tmp_path / "rows.npz", 3 * work.batch)
    program = dlc.compile(work.spec).compiled
    weights = draw(program.graph, 0)
    network = network_with(work, weights)
    optimizer = work.optimizer(network.parameters())
    learner = Learner(Forms(program, weights, torch.device("cpu")), program.phase, 3)
    arrays = np.load(tmp_path / "rows.npz")
    assert program.train.batch == work.batch
    for step, rows in enumerate(np.split(np.arange(3 * work.batch), 3)):
        given = {name: torch.from_numpy(arrays[name][rows]) for name in ("x", "y")}
        torch.manual_seed(step)  # the same values drop out
        [(_, found)] = learner.step([[given[name] for name in learner.forms.fields]], step)
        torch.manual_seed(step)
        loss = torch.nn.CrossEntropyLoss()(network(given["x"]), given["y"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(found["loss"].detach(), loss.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["MLP 30-64-64-2", "LeNet"])
def test_whole_trainings_agree(name: str, tmp_path: Path) -> None:
    """Where a batch is all the rows, so that their order does not matter."""
    work, file = training.WORKLOADS[NAMES.index(name)], tmp_path / "rows.npz"
    work.write_rows(file, work.batch)
    program = dlc.compile(work.spec, params={"epochs": 3})
    weights = draw(program.compiled.graph, 0)
    trained = train(program.compiled, open_data(program, file), weights, on="cpu")
    by_hand = train_by_hand(network_with(work, weights), work.optimizer, file, work.batch, 3)
    np.testing.assert_allclose([epoch.train["loss"] for epoch in trained.history], by_hand, rtol=1e-4)


@pytest.mark.slow
def test_both_files_answer_the_same(tmp_path: Path) -> None:
    exported = next(e for e in exporting.NETWORKS if e.title == "LeNet")
    weights, module = dlc.compile(exported.spec).weights(), exported.module()
    assert isinstance(module, Answers)
    fill(module.network, weights)
    exporting.write_ours(exported, weights, tmp_path / "dlc.onnx")
    exporting.write_theirs(exported, module, tmp_path / "torch.onnx")
    rows = exported.rows(5)
    files = (tmp_path / "dlc.onnx", tmp_path / "torch.onnx")
    sessions = [onnxruntime.InferenceSession(f, providers=["CPUExecutionProvider"]) for f in files]
    ours, theirs = (session.run(None, {"image": rows}) for session in sessions)
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-4, atol=1e-6)


def test_a_cold_process_is_timed_against_the_imports() -> None:
    (found,) = start.compare(Effort(quick=True))
    assert found.costs and found.asked == 2 and min(found.timing.ours + found.timing.theirs) > 0.01


@pytest.mark.slow
def test_every_training_is_timed(monkeypatch) -> None:
    monkeypatch.setattr(training, "QUICK", 65)
    found = list(training.compare(Effort(quick=True)))
    assert [c.asked for c in found] == [1.5, 1, 1]
    assert all(len(c.timing.ours) == len(c.timing.theirs) == 2 for c in found)


@pytest.mark.slow
def test_writing_and_running_onnx_is_timed() -> None:
    found = list(exporting.compare(Effort(quick=True)))
    assert [c.asked for c in found] == [100, 1, 1]


# --- what is reported -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_samples_are_taken_in_turn_after_one_that_does_not_count() -> None:
    taken: list[str] = []
    numbers = iter(range(100))

    def sample(name: str) -> float:
        taken.append(name)
        return next(numbers)

    timing = interleave(partial(sample, "a"), partial(sample, "b"), rounds=2)
    assert "".join(taken) == "ab" + "abba" * 2
    assert (timing.ours, timing.theirs) == ((2, 5, 6, 9), (3, 4, 7, 8))


@pytest.mark.slow
def test_what_others_disturbed_is_timed_again(monkeypatch) -> None:
    looks = iter([False, True, False, True, True, True, True])  # wait twice, a pair in vain; two calm pairs
    monkeypatch.setattr(Look, "calm", lambda look: next(looks))
    monkeypatch.setattr("benchmarks.calm.LOOK", 0.001)
    numbers = iter(range(100))
    timing = interleave(partial(next, numbers), partial(next, numbers), rounds=1, patience=1000)
    assert (timing.ours, timing.theirs) == ((4, 7), (5, 6))
    assert not list(looks)


def test_disturbed_samples_count_once_patience_has_ended(monkeypatch) -> None:
    monkeypatch.setattr(Look, "calm", lambda look: False)
    monkeypatch.setattr("benchmarks.calm.LOOK", 0.001)
    numbers = iter(range(100))
    timing = interleave(partial(next, numbers), partial(next, numbers), rounds=1, patience=0.003)
    assert (timing.ours, timing.theirs) == ((2, 5), (3, 4))


@pytest.mark.parametrize(("others", "calm"), [(0.0, True), (0.05, True), (0.5, False)])
def test_only_the_work_of_others_disturbs(others: float, calm: bool, monkeypatch) -> None:
    clock, busy, mine = [100.0], [50.0], [7.0]
    monkeypatch.setattr("benchmarks.calm.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("benchmarks.calm.used", lambda: busy[0])
    monkeypatch.setattr("benchmarks.calm.own", lambda: mine[0])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    look = Look()
    clock[0], busy[0], mine[0] = 101.0, 51.5 + others, 8.5
    assert look.calm() is calm


def comparison(ours: list[float], theirs: list[float], asked: float, costs: bool = False) -> Comparison:
    return Comparison("this", "that", Timing(ours, theirs), asked, costs)


def test_ratios_are_of_medians_and_noise_is_the_worse_of_both() -> None:
    found = comparison([1.0, 1.0, 1.0, 9.0], [4.0, 5.0, 4.0, 5.0], 2)
    assert found.ratio == 4.5
    assert found.timing.noise == 5  # 5 / 1 of ours, 5 / 4 of theirs
    assert comparison([3.0] * 4, [2.0] * 4, 2, costs=True).ratio == 1.5


@pytest.mark.parametrize(
    ("ours", "costs", "met"),
    [
        ([1.0] * 4, False, "yes"),
        ([1.1] * 4, False, "no"),
        ([1.1, 1.2, 1.1, 1.2], False, "no"),
        ([1.0, 1.1, 1.0, 1.1], False, "within the noise"),
        ([4.0] * 4, True, "yes"),
        ([4.1] * 4, True, "no"),
        ([4.0, 4.2, 4.0, 4.2], True, "within the noise"),
    ],
)
def test_a_target_is_missed_only_beyond_the_noise(ours: list[float], costs: bool, met: str) -> None:
    assert comparison(ours, [2.0] * 4, 2, costs).met == met


def test_what_is_only_measured_has_no_target() -> None:
    found = comparison([2.0] * 4, [1.0] * 4, 0)
    assert found.met == "-"
    assert row(found) == "| this | 2 s | that | 1 s | 0.50 x as fast | - | - | 1.00 |"


def test_the_page_names_the_machine_and_no_path() -> None:
    found = comparison([0.0012] * 4, [0.5] * 4, 100)
    assert row(found) == "| this | 1.2 ms | that | 500 ms | 417 x as fast | at least 100 | yes | 1.00 |"
    text = page({"start": section([found, comparison([3.0] * 4, [2.0] * 4, 2, costs=True)])})
    assert "| this | 3 s | that | 2 s | 1.50 x the time | at most 2 | yes | 1.00 |" in text
    assert f"torch {torch.__version__.split('+')[0]}" in text and "cores of" in text
    assert str(Path.cwd()) not in text and str(Path.home()) not in text


def test_a_part_of_the_page_is_written_alone() -> None:
    parts = dict.fromkeys(TITLES, "| e |") | {"training": "b\n\nc"}
    assert sections(page(parts)) == parts
    changed = page(sections(page(parts)) | {"training": "new"})
    assert sections(changed) == parts | {"training": "new"}
    assert page({}).count("##") == 1  # the method alone


def test_the_page_of_the_repository_is_what_its_sections_make() -> None:
    written = PAGE.read_text("utf-8")
    assert list(sections(written)) == list(TITLES)
    assert page(sections(written)) == written


def test_tokens_are_counted_a_second() -> None:
    found = Comparison("this", "that", Timing([0.5] * 4, [2.0] * 4), 1, tokens=3000)
    assert "| 500 ms (6_000 tokens a second) | that | 2 s (1_500 tokens a second) | 4.00 x as fast |" in row(
        found
    )


def test_the_target_of_a_table_of_shapes_is_of_the_median() -> None:
    ratios = {("a", "1"): 1.0, ("a", "2"): 3.0, ("b", "1"): 1.5, ("b", "2"): 1.1, ("c", "1"): 9.0}
    timings = {shape: Timing([1.0] * 4, [ratio] * 4) for shape, ratio in ratios.items()}
    found = Sweep("this", "that", timings, 1.2, "layer")
    assert (found.ratio, found.met, found.noise) == (1.5, "yes", 1)
    assert "| layer | 1 | 2 |\n|---|--:|--:|\n| a | 1.00 | 3.00 |\n| b | 1.50 | 1.10 |" in section([Sweep(
        "this", "that", {k: v for k, v in timings.items() if k[0] != "c"}, 1.2, "layer")])  # fmt: skip


# --- recurrent networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("work", recurrent.WORKLOADS, ids=["tagger", "classifier"])
def test_losses_of_sequences_by_hand_are_those_of_dlc(work: recurrent.Workload, tmp_path: Path) -> None:
    """The mean over all valid targets, with the initial weights."""
    file = tmp_path / "rows.parquet"
    recurrent.write_rows(work, file, 40)
    text = work.spec.read_text("utf-8")
    standing = text.replace("adam(lr=2e-3)", "sgd(lr=1e-12)")
    program = dlc.compile(text=standing, params={"epochs": 1})
    weights, data = draw(program.compiled.graph, 0), open_data(program, file)
    network = work.network(recurrent.WORDS, recurrent.CLASSES)
    recurrent.fill(network, weights)
    found = train(program.compiled, data, weights, on="cpu").figures["train"]["loss"]
    assert found == pytest.approx(sequence_rivals.loss(network, file), rel=1e-5)


def test_trainings_that_differ_are_no_benchmark() -> None:
    recurrent.check_losses(1.2, 1.0)
    with pytest.raises(ValueError, match=r"they end at losses of 1\.3000 and 1\.0000"):
        recurrent.check_losses(1.3, 1.0)


@pytest.mark.slow
def test_recurrent_networks_are_timed() -> None:
    found = list(recurrent.compare(Effort(quick=True)))
    assert [c.asked for c in found] == [1, 1, 1.2]
    assert len(found[-1].timings) == 6


# --- transformers -----------------------------------------------------------------------------------------


def test_the_loss_of_a_transformer_by_hand_is_that_of_dlc(tmp_path: Path) -> None:
    """The mean over all characters, with the initial weights."""
    file = tmp_path / "rows.parquet"
    transformers.write_rows(file, 6, 20)
    text = transformers.SPEC.read_text("utf-8").replace("adamw(lr=1e-3)", "sgd(lr=1e-12)")
    program = dlc.compile(text=text, params={"epochs": 1})
    weights, data = draw(program.compiled.graph, 0), open_data(program, file)
    network = transformer_rivals.Transformer(transformers.CLASSES, 128, 4, 4, transformers.LONGEST, True)
    network.fill(weights)
    found = train(program.compiled, data, weights, on="cpu").figures["train"]["loss"]
    assert found == pytest.approx(transformer_rivals.loss(network, file), rel=1e-5)


@pytest.mark.slow
def test_transformers_are_timed() -> None:
    found = list(transformers.compare(Effort(quick=True)))
    assert [c.asked for c in found][2:] == [1, 1]
    assert "bf16" in found[1].what
    assert all(len(sweep.timings) == 2 for sweep in found[2:])


# --- answers made step by step ----------------------------------------------------------------------------


def test_all_ways_of_decoding_give_the_same_tokens() -> None:
    program, given = decoding.gpt(32, 4, 12), decoding.prompts(3)
    weights = decoding.drawn(program)
    ours = decoding.in_runtime(program.onnx(weights).SerializeToString())(given)
    assert ours.shape == (3, 12) and len(set(ours.ravel().tolist())) > 8
    for rival in (decoding_rivals.by_generate, decoding_rivals.by_steps):
        np.testing.assert_array_equal(rival(weights, decoding.LAYERS, 4, 12)(given), ours)


def test_answers_that_differ_are_no_benchmark() -> None:
    with pytest.raises(AssertionError):
        decoding.compare_answers(lambda x: x, lambda x: x + 1, np.arange(3), Effort(quick=True), 1)


@pytest.mark.slow
def test_decoding_is_timed() -> None:
    found = list(decoding.compare(Effort(quick=True)))
    assert [c.asked for c in found] == [4, 1, 0, 0.9, 2, 0]
    assert all(min(c.timing.ours) > 0 for c in found[:4])


def test_first_specs_and_boosting_get_the_same_rows() -> None:
    train, test = first_specs.parts(["a", "b", "b", "b"] * 25, seed=3)
    assert sorted([*train, *test]) == [*range(100)]
    assert (len(test), sum(row % 4 == 0 for row in test)) == (20, 5)
    compared = first_specs.compare("wine", 1, **{"train.epochs": 2})
    assert (compared.count, compared.measure) == (178, "accuracy")
    assert compared.simple[0] == pytest.approx(0.4, abs=0.03)
    assert compared.boosting[0] > 0.9
    assert first_specs.section([compared]).splitlines()[2].startswith("| wine | 178 | accuracy | 0.")
