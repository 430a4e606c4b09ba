"""The training loop, on small specs and generated rows."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch
from trainings import assert_same, by_hand, classifier, points, program, run

from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows, load
from dlc.runtime.training import training_plan
from dlc.runtime.training.history import Listener
from dlc.runtime.training.loop import train

RNG = np.random.default_rng(0)


class Heard(Listener):
    """A listener that records its calls."""

    def __init__(self, at_epoch=None):
        self.events, self.kept, self.at_epoch = [], None, at_epoch

    def begin(self, program, plan, history):
        self.events.append("begin")

    def step(self, step):
        self.events.append(step)

    def epoch(self, epoch, weights):
        self.events.append(epoch)
        self.kept = weights()
        if self.at_epoch:
            self.at_epoch(epoch)

    def end(self, trained):
        self.events.append(trained)


# --- training ---------------------------------------------------------------------------------------------


def test_training_improves_and_measures_all_parts():
    trained = run(
        classifier("optimizer = adam(lr=0.02)\nepochs = 20"), points(300), points(50, 1), points(50, 2)
    )
    assert [e.epoch for e in trained.history] == list(range(1, 21))
    assert trained.history[-1].step == 200
    assert trained.history[-1].train["loss"] < trained.history[0].train["loss"] / 3
    assert set(trained.figures) == {"train", "validation", "test"}
    assert trained.figures["test"]["accuracy"] > 0.9
    assert trained.figures["validation"] == trained.history[-1].validation
    assert (trained.kept, trained.ended) == (20, "done")


@pytest.mark.parametrize("extra", ["", "regularize = l2(0.01)", "regularize = [l1(1e-3), l2(1e-3)]",
                                   "clip = norm(0.1)", "schedule = cosine(warmup=5)"])  # fmt: skip
def test_steps_equal_a_handwritten_loop(extra):
    rows, batch = points(100), 16
    text = classifier(
        f"optimizer = sgd(lr=0.1, momentum=0.9)\nepochs = 3\nbatch = {batch}\nseed = 5\n{extra}"
    )
    ours, net, schedule = run(text, rows).weights, by_hand(text), program(text).train.schedule
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    shuffle, x, y = torch.Generator().manual_seed(5), torch.from_numpy(rows["x"]), torch.from_numpy(rows["y"])
    step = 0
    for _ in range(3):
        for index in torch.randperm(100, generator=shuffle).split(batch):
            loss = torch.nn.functional.cross_entropy(net(x[index]), y[index])
            layers = [net[0].weight, net[2].weight]
            if "l1" in extra:
                loss = (
                    loss
                    + 1e-3 * sum(w.abs().sum() for w in layers)
                    + 1e-3 * sum((w**2).sum() for w in layers)
                )
            elif "l2" in extra:
                loss = loss + 0.01 * sum((w**2).sum() for w in layers)
            optimizer.param_groups[0]["lr"] = schedule.rate(0.1, step, 21)
            optimizer.zero_grad()
            loss.backward()
            if "clip" in extra:
                torch.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
            step += 1
    assert_same(ours, net, rtol=1e-4, atol=1e-5)


def test_the_same_spec_data_and_seed_give_the_same_bytes():
    text = classifier("epochs = 2\nseed = 3", "dense(8) -> dropout(0.3) -> batchnorm -> relu -> dense(2)")
    first, second = (run(text, points(70)).weights for _ in range(2))
    assert {n: w.tobytes() for n, w in first.items()} == {n: w.tobytes() for n, w in second.items()}
    other = run(text.replace("seed = 3", "seed = 4"), points(70)).weights
    assert any(other[n].tobytes() != w.tobytes() for n, w in first.items())


def test_steps_end_a_training_within_an_epoch():
    trained = run(classifier("steps = 25\nbatch = 10"), points(100))
    assert [e.step for e in trained.history] == [10, 20, 25]


def test_a_batch_of_all_rows_is_one_step_an_epoch():
    trained = run(classifier("epochs = 3\nbatch = all"), points(50))
    assert [e.step for e in trained.history] == [1, 2, 3]


def test_running_statistics_are_updated_and_used_for_answers():
    text = classifier("epochs = 20\noptimizer = adam(lr=0.02)", "batchnorm -> dense(2)")
    rows = points(200)
    rows["x"] = rows["x"] * 3 + 5
    trained = run(text, rows)
    np.testing.assert_allclose(trained.weights["batchnorm.running_mean"], rows["x"].mean(0), atol=0.3)
    assert trained.figures["train"]["accuracy"] > 0.9


def test_drawn_inputs_differ_between_steps_and_repeat_with_the_seed():
    text = ("input z: float[3]\noutput y: float[3]\nz -> dense(3) -> y\ndata { z = normal() }\n"
            "train { loss = mse(y, z)\noptimizer = adam(lr=0.05)\nsteps = 150\nbatch = 32 }\n")  # fmt: skip
    p = program(text)
    data = Dataset(InMemoryRows({}, None, drawn=p.data.fields))
    first, second = (train(p, data, draw(p.graph, 0), on="cpu") for _ in range(2))
    assert [e.step for e in first.history] == [100, 150]
    assert first.history[-1].train["loss"] < first.history[0].train["loss"]
    assert all(first.weights[n].tobytes() == w.tobytes() for n, w in second.weights.items())


def test_drawn_rows_are_measured_where_data_counts_them(tmp_path):
    """The mean of |z| over 4000 draws of a normal distribution, which no training changes."""
    text = ("input z: float\noutput y: float\nz -> dense(1) -> y\n"
            "data {\n z = normal()\n validation = 100\n test = 4000\n}\n"
            "train {\n size = mae(z, 0)\n loss = size + mse(y, z)\n steps = 200\n}\n")  # fmt: skip
    p = program(text)
    data = load(p, tmp_path)
    assert (data.train.count, data.validation.count, data.test.count) == (None, 100, 4000)
    made = train(p, data, draw(p.graph, 0), on="cpu")
    assert made.figures["test"]["size"] == pytest.approx((2 / np.pi) ** 0.5, abs=0.03)
    assert made.history[0].validation["size"] == made.history[1].validation["size"]  # the same draws
    assert made.figures["test"]["size"] != made.figures["validation"]["size"]
    with pytest.raises(CompileError, match="no rows of which `test` could take a share"):
        load(program(text.replace("4000", "0.2")), tmp_path)


def test_two_outputs_are_trained_together_and_measured_separately():
    text = (
        "input a: float[2]\ninput b: float\noutput side: binary\noutput total: float\n"
        "h = concat(a, b) -> dense(16) -> relu\nh -> dense(1) -> side\nh -> dense(1) -> total\n"
        "train { epochs = 30\noptimizer = adam(lr=0.02)\nmetrics = [accuracy, auroc, rmse] }\n"
    )
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(200, 2)).astype(np.float32), rng.normal(size=200).astype(np.float32)
    total = a.sum(1) + b
    rows = InMemoryRows({"a": a, "b": b, "side": (total > 0).astype(np.float32), "total": total}, 200)
    figures = run(text, rows).figures["train"]
    assert set(figures) == {
        "loss", "side.loss", "total.loss", "side.accuracy", "side.auroc", "total.rmse",
    }  # fmt: skip
    assert figures["loss"] == pytest.approx(figures["side.loss"] + figures["total.loss"], rel=1e-5)
    assert figures["total.loss"] == pytest.approx(figures["total.rmse"] ** 2, rel=1e-4)
    assert figures["side.accuracy"] > 0.9 and figures["side.auroc"] > 0.95 and figures["total.rmse"] < 0.5


# --- the order of rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "batch", "sizes"), [
    (10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 1, [1, 1, 1]),
    (3, 8, [3]), (5, "all", [5]), (1, 4, [1]),
])  # fmt: skip
def test_a_single_remaining_row_joins_the_last_batch(rows, batch, sizes):
    assert training_plan.sizes_of(rows, batch) == sizes


def test_an_epoch_uses_each_row_once_for_any_batch_size(monkeypatch):
    from dlc.runtime.training import batches

    monkeypatch.setattr(batches, "CHUNK", 100)
    rows = InMemoryRows({"x": np.arange(37, dtype=np.float32)}, 37)
    loader = batches.Loader(rows, ["x"], torch.device("cpu"), {})
    sizes = training_plan.sizes_of(37, 4)
    order = loader.order(torch.Generator().manual_seed(0), 4)
    seen = [batch[0] for batch in loader.batches(sizes, order)]
    assert [len(s) for s in seen] == sizes
    assert torch.cat(seen).tolist() == order.tolist() and sorted(order.tolist()) == list(range(37))
    assert torch.equal(torch.cat([b[0] for b in loader.batches(sizes)]), torch.arange(37.0))


# --- ending early -----------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_weights():
    flipped = points(100, 1)
    flipped["y"] = 1 - flipped["y"]  # training makes validation worse in each epoch
    heard = Heard()
    text = classifier("optimizer = sgd(lr=0.1)\nepochs = 50\nearly_stop = patience(3)")
    trained = run(text, points(100), flipped, listeners=[heard])
    assert (trained.ended, trained.kept, len(trained.history)) == ("early", 1, 4)
    assert [e.best for e in trained.history] == [True, False, False, False]
    assert trained.figures["validation"] == trained.history[0].validation
    once = run(text.replace("epochs = 50", "epochs = 1"), points(100), flipped)
    assert all(trained.weights[n].tobytes() == w.tobytes() for n, w in once.weights.items())
    assert all(trained.weights[n].tobytes() == w.tobytes() for n, w in heard.kept.items())


def test_early_stopping_on_a_metric_that_should_rise():
    text = classifier("optimizer = adam(lr=0.05)\nepochs = 40\nearly_stop = patience(2, on=train.accuracy)")
    trained = run(text, points(100))
    accuracies = [e.train["accuracy"] for e in trained.history]
    assert trained.ended == "early"
    assert accuracies[trained.kept - 1] == max(accuracies)
    assert len(accuracies) == trained.kept + 2


def test_a_figure_that_is_always_nan_has_no_best_epoch():
    alike = points(20, 1)
    alike["y"][:] = 1  # the area under the curve is undefined for one class
    text = classifier("metrics = auroc\nepochs = 9\nearly_stop = patience(2, on=validation.auroc)")
    with pytest.raises(CompileError, match=r"`validation\.auroc` was not finite") as caught:
        run(text, points(20), alike)
    assert (caught.value.diagnostics[0].code, caught.value.diagnostics[0].line) == ("E0710", 7)


def test_early_stopping_needs_an_existing_figure():
    with pytest.raises(CompileError) as caught:
        run(classifier("early_stop = patience(2)"), points(20))
    problem = caught.value.diagnostics[0]
    assert "no validation rows" in problem.message and problem.line == 5
    with pytest.raises(CompileError, match=r"on=train\.accuracy"):
        run(classifier("early_stop = patience(2, on=train.acuracy)"), points(20))


def test_ctrl_c_ends_after_the_step_and_keeps_the_weights():
    def press(epoch):
        if epoch.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    trained = run(classifier("epochs = 10_000"), points(100), listeners=[Heard(press)])
    assert (trained.ended, trained.kept, len(trained.history)) == ("interrupted", 2, 2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_within_the_first_epoch_keeps_its_steps():
    class Pressing(Heard):
        def step(self, step):
            signal.raise_signal(signal.SIGINT)

    text = classifier("epochs = 1\nbatch = 1\nearly_stop = patience(2)")
    trained = run(text, points(50_000), points(20, 1), listeners=[Pressing()])
    assert (trained.ended, trained.kept) == ("interrupted", 1)
    assert 0 < trained.history[0].step < 50_000
    assert trained.history[0].validation == {}
    assert trained.figures["validation"]["accuracy"] >= 0


# --- NaN --------------------------------------------------------------------------------------------------

BAD = ("input x: float[2]\noutput y: float\nh = x -> dense(4)\n{line}\ng -> dense(1) -> y\n"
       "train {{ epochs = 3\nbatch = 10\noptimizer = sgd(lr=1e-3) }}\n")  # fmt: skip


def numbers(n: int) -> InMemoryRows:
    return InMemoryRows(
        {"x": RNG.normal(size=(n, 2)).astype(np.float32), "y": RNG.normal(size=n).astype(np.float32)}, n
    )


def fail(text: str, rows: InMemoryRows):
    heard = Heard()
    with pytest.raises(CompileError) as caught:
        run(text, rows, listeners=[heard])
    return caught.value.diagnostics[0], heard.events[-1]


def test_nan_stops_the_run_and_reports_step_and_node():
    rows = numbers(100)
    rows["x"][42] = 1e30  # its square is infinite, and infinity minus infinity is NaN
    problem, trained = fail(BAD.format(line="s = x * x\ng = h + sum(s - s)"), rows)
    assert problem.code == "E0802"
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    step = int((order == 42).nonzero()) // 10 + 1
    assert problem.message == f"the result of `multiply` is infinite at step {step}"
    assert (problem.line, problem.column) == (4, 5)
    assert problem.notes == ("the initial weights are kept",)
    assert (trained.ended, trained.kept) == ("diverged", 0)
    begin = draw(program(BAD.format(line="g = h")).graph, 0)
    assert all(np.array_equal(trained.weights[n], w) for n, w in begin.items())


def test_a_nan_gradient_is_traced_to_its_node():
    rows = numbers(20)
    rows["x"][:] = 0  # the derivative of sqrt is infinite at 0
    problem, _ = fail(BAD.format(line="g = sqrt(h * h)"), rows)
    assert problem.message == "the gradient of `sqrt` is infinite at step 1"
    assert (
        problem.help == "`sqrt` wants numbers above 0, because the slope at 0 is infinite: `sqrt(x + 1e-6)`"
    )
    assert (problem.line, problem.column) == (4, 5)


@pytest.mark.parametrize(("line", "wants"), [
    ("g = log(h * 0)", "`log` wants numbers above 0"),
    ("g = h / (h * 0)", "`divide` wants a divisor other than 0"),
    ("g = h * 1e30 * 1e30", "a smaller learning rate"),
])  # fmt: skip
def test_the_hint_is_that_of_the_operator(line, wants):
    problem, _ = fail(BAD.format(line=line), numbers(20))
    assert problem.help.startswith(wants)


def test_divergence_keeps_the_weights_of_the_last_good_epoch():
    text = ("input x: float[2]\noutput y: float\nx -> dense(1) -> y\n"
            "train { optimizer = sgd(lr=20)\nepochs = 100\nbatch = 10 }\n")  # fmt: skip
    problem, trained = fail(text, numbers(40))
    assert problem.code == "E0802" and "finite" in problem.message
    assert 1 <= trained.kept == len(trained.history) < 100
    assert all(np.isfinite(w).all() for w in trained.weights.values())
    assert problem.notes == (f"the weights of epoch {trained.kept} are kept",)


def test_repeating_an_epoch_repeats_its_dropout():
    line = (
        "d = dropout(h * 0 + 1, 0.5)\ng = h + sum(log(sum(d) - 0.001)) * 0"  # NaN where all four were dropped
    )
    text = BAD.format(line=line).replace("batch = 10", "batch = 1")
    problem, trained = fail(text, numbers(200))
    assert problem.message.startswith("the result of `log` is NaN at step")
    assert trained.ended == "diverged"


# --- errors before training -------------------------------------------------------------------------------


def test_errors_are_reported_before_the_first_step():
    for text, rows, message in [
        (classifier("batch = 1", "dense(4) -> batchnorm -> dense(2)"), points(5), "more than one row"),
        (classifier("epochs = 1"), points(0), "no training rows"),
        ("input x: float[2]\noutput y: class(2)\nx -> dense(2) -> detach -> y\ntrain { epochs = 1 }\n",
         points(5), "nothing to learn"),
    ]:  # fmt: skip
        with pytest.raises(CompileError, match=message):
            run(text, rows)
    text = (
        "input z: float[T]\noutput y: float\nmean(z) -> dense(1) -> y\ndata { z = normal() }\n"
        "train { loss = mean(y)\nsteps = 5 }\n"
    )
    with pytest.raises(CompileError, match="no data says how long `T` is"):
        p = program(text)
        train(p, Dataset(InMemoryRows({}, None, drawn=p.data.fields)), draw(p.graph, 0), on="cpu")
    with pytest.raises(CompileError, match="no device `cuda:99`"):
        p = program(classifier("epochs = 1"))
        train(p, Dataset(points(5)), draw(p.graph, 0), on="cuda:99")


def test_records_are_valid_json_with_nan():
    heard = Heard()
    run(classifier("epochs = 1\nmetrics = [auroc]"), points(40),
        InMemoryRows({k: v[:1] for k, v in points(9).items()}, 1), listeners=[heard])  # fmt: skip
    record = json.loads(json.dumps(heard.events[-2].record(), allow_nan=False))
    assert record["validation"]["auroc"] is None
    assert record["epoch"] == 1 and record["train"]["loss"] > 0


# --- threads ----------------------------------------------------------------------------------------------


def test_small_steps_use_one_thread_and_restore_the_others():
    from dlc.runtime.training.device import SMALL, threads_for

    before, cpu = torch.get_num_threads(), torch.device("cpu")
    torch.set_num_threads(2)
    try:
        with threads_for(SMALL, cpu):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with threads_for(SMALL + 1, cpu):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
