"""Phases: trainings one after the other, and what ends one of them early."""

from __future__ import annotations

import io
import json
import signal
import time

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.numpy import load_file, save_file
from steps_by_hand import Weights, points, rounds, run, update
from trainings import program

import dlc
from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime import pipeline
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.run_writer import Run
from dlc.runtime.training import progress as progress_display
from dlc.runtime.training.history import Epoch, Listener, PhaseEnd, Trained
from dlc.runtime.training.loop import train
from dlc.runtime.training.progress import Progress
from dlc.runtime.training.training_plan import TrainingPlan

NETS = """input x: float[2]
output code: float[3]
output back: float[2]
net encoder(x) { return x -> dense(3) -> tanh }
net decoder(h) { return h -> dense(2) }
h = encoder(x)
h -> code
h -> decoder -> back
"""


def phases(first: str = "", second: str = "", around: str = "", more: str = "") -> str:
    return f"""{NETS}
train {{
  batch = 8
  epochs = 2
  optimizer = sgd(lr=0.1, momentum=0.9)
  {around}
  phase first {{
    loss = mse(back, x)
    {first}
  }}
  phase second {{
    loss = mse(code, 0.5)
    {second}
  }}
  {more}
}}
"""


class Nets(Weights):
    def code(self, x):
        return torch.tanh(self.dense("encoder.dense", x))

    def first(self, x):
        return (self.dense("decoder.dense", self.code(x)) - x).square().mean()

    def second(self, x):
        return (self.code(x) - 0.5).square().mean()

    def train(self, loss, weights, x, rates=(), *, batch=8, steps=99, **plan):
        """A phase by hand, whose optimizer begins anew, for some steps at most, with their learning rates."""
        sgd = torch.optim.SGD(weights, 0.1, momentum=0.9)
        for step, [(rows, _)] in zip(range(len(rates) or steps), rounds(x, batch, **plan), strict=False):
            sgd.param_groups[0]["lr"] = rates[step] if rates else 0.1
            update(sgd, loss(rows))


# --- settings of a phase ----------------------------------------------------------------------------------


def test_each_phase_begins_with_the_weights_of_the_one_before():
    text, x = phases(), points(24)
    net = Nets(text)
    net.train(net.first, net.of("encoder", "decoder"), x, epochs=2)
    net.train(net.second, net.of("encoder"), x, epochs=2)
    trained = run(text, x)
    net.assert_equal(trained.weights)
    assert [(e.epoch, e.step, e.phase) for e in trained.history] == [
        (1, 3, "first"), (2, 6, "first"), (3, 9, "second"), (4, 12, "second")]  # fmt: skip
    assert [(p.name, p.first, p.last, p.kept) for p in trained.phases] == [
        ("first", 1, 2, 2), ("second", 3, 4, 4)]  # fmt: skip
    assert trained.figures["train"] == trained.phases[1].figures["train"]
    assert [*trained.figures["train"]] == ["loss"]


def test_a_phase_has_its_own_seed_batch_steps_and_schedule():
    text = phases("seed = 7\nbatch = 12\nschedule = exponential(0.5)", "steps = 4\nschedule = linear")
    net, x = Nets(text), points(24)
    net.train(net.first, net.of("encoder", "decoder"), x, [0.1 * 0.5**n for n in range(4)],
              epochs=2, batch=12, seed=7)  # fmt: skip
    net.train(net.second, net.of("encoder"), x, [0.1 * (1 - n / 4) for n in range(4)], epochs=2)
    trained = run(text, x)
    net.assert_equal(trained.weights)
    assert [e.step for e in trained.history] == [2, 4, 7, 8]


def test_a_net_is_frozen_in_one_phase_and_trained_in_the_next():
    text, x = (
        phases("freeze = encoder", "loss = mse(back, x)").replace("loss = mse(code, 0.5)", ""),
        points(24),
    )
    net = Nets(text)
    net.train(net.first, net.of("decoder"), x, epochs=2)
    net.train(net.first, net.of("encoder", "decoder"), x, epochs=2)
    net.assert_equal(run(text, x).weights)


def test_the_best_epoch_of_a_phase_is_kept_before_the_next():
    """The first phase gets worse on validation rows whose targets it cannot reach, and stops."""
    text = phases("loss = mse(back, x + 3)\nearly_stop = patience(2)", "epochs = 1").replace(
        "loss = mse(back, x)\n", "").replace("epochs = 2\n", "epochs = 9\n")  # fmt: skip
    x, validation = points(24), points(8, 1) - 6
    trained = run(text, x, validation)
    first, second = trained.phases
    assert (first.ended, first.kept, first.best, first.last) == ("early", 1, 1, 3)
    assert (second.first, second.last, second.ended) == (4, 4, "done")
    net = Nets(text)
    net.train(lambda rows: (net.dense("decoder.dense", net.code(rows)) - rows - 3).square().mean(),
              net.of("encoder", "decoder"), x)  # fmt: skip
    net.train(net.second, net.of("encoder"), x)
    net.assert_equal(trained.weights)
    assert first.figures["validation"] == pytest.approx(trained.history[0].validation)


def test_until_ema_and_metrics_are_those_of_the_phase():
    """The target of `code` is the field `code`, which only a metric of the second phase reads."""
    text = phases("until = train.loss < 0.05\nepochs = 50\nmetrics = []",
                  "metrics = [mae]\nloss = mse(code)\nema = 0.5").replace(
        "loss = mse(code, 0.5)", "")  # fmt: skip
    x, p = points(24), program(text)
    rows = InMemoryRows({"x": x.numpy(), "code": np.full((24, 3), 0.5, np.float32)}, 24)

    def trained_with(text: str) -> Trained:
        return train(program(text), Dataset(rows), draw(p.graph, 0), on="cpu")

    trained, plain = trained_with(text), trained_with(text.replace("ema = 0.5", ""))
    first, second = trained.phases
    assert first.ended == "met" and 1 < first.last < 50
    earlier = trained_with(text.replace("epochs = 50", f"epochs = {first.last - 1}")).phases[0]
    assert first.figures["train"]["loss"] < 0.05 <= earlier.figures["train"]["loss"]
    assert ([*first.figures["train"]], [*second.figures["train"]]) == (["loss"], ["loss", "mae"])
    assert plain.phases[0] == first
    net = Nets(text, {n: a for n, a in plain.weights.items()})
    errors = (net.code(x) - 0.5).abs().mean().item()
    assert plain.figures["train"]["mae"] == pytest.approx(errors, rel=1e-5)
    assert not np.array_equal(plain.weights["encoder.dense.weight"], trained.weights["encoder.dense.weight"])


def test_weights_are_loaded_when_a_phase_begins(tmp_path):
    """The encoder of the second phase is that of a file; the decoder is that of the first phase."""
    other = {
        "encoder.dense.weight": np.ones((3, 2), np.float32),
        "encoder.dense.bias": np.ones(3, np.float32),
    }
    save_file(other, tmp_path / "encoder.safetensors")
    text = phases(second='weights = load("encoder.safetensors", into=encoder)\nepochs = 1\n'
                         "optimizer = sgd(lr=1e-9)  # allow W0410: it must not learn")  # fmt: skip
    (tmp_path / "m.dl").write_text(text.replace("train {", "data { source = csv(\"p.csv\")\n"
                                                "x = columns(\"a\", \"b\") }\ntrain {"))  # fmt: skip
    lines = [f"{a},{b}" for a, b in points(24).tolist()]
    (tmp_path / "p.csv").write_text("\n".join(["a,b", *lines]))
    result = dlc.train(tmp_path / "m.dl", out=tmp_path / "runs")
    net = Nets(text.replace('weights = load("encoder.safetensors", into=encoder)', ""))
    net.train(net.first, net.of("encoder", "decoder"), points(24), epochs=2)
    found = load_file(result.folder / "weights.safetensors")
    np.testing.assert_allclose(found["decoder.dense.weight"], net["decoder.dense.weight"].detach(), atol=1e-6)
    np.testing.assert_allclose(found["encoder.dense.weight"], 1, atol=1e-6)


# --- files and figures ------------------------------------------------------------------------------------


def run_in(folder, text: str, x, validation=None, listeners=()) -> tuple[Trained | None, Run]:
    kept = Run.create(folder, "m")
    try:
        return run(text, x, validation, listeners=[kept, *listeners]), kept
    except CompileError:
        return None, kept


def read(run: Run, name: str):
    return json.loads(run.path(name).read_text())


def test_the_files_of_a_run_tell_the_phases_apart(tmp_path):
    trained, kept = run_in(tmp_path, phases(), points(24), points(8, 1))
    assert trained is not None
    lines = [json.loads(line) for line in kept.path("metrics.jsonl").read_text().splitlines()]
    assert [(e["phase"], e["epoch"], e["step"]) for e in lines] == [
        ("first", 1, 3), ("first", 2, 6), ("second", 3, 9), ("second", 4, 12)]  # fmt: skip
    ends = read(kept, "phases.json")
    assert [(p["name"], p["first"], p["last"], p["kept"], p["ended"]) for p in ends] == [
        ("first", 1, 2, 2, "done"), ("second", 3, 4, 4, "done")]  # fmt: skip
    assert ends[1]["figures"]["validation"] == trained.figures["validation"]
    assert ends[0]["figures"]["validation"]["loss"] == lines[1]["validation"]["loss"]
    assert read(kept, "epochs.json")["weights.safetensors"] == 4


class Pressing(Listener):
    """A listener that presses Ctrl-C after an epoch, or within it."""

    def __init__(self, epoch: int, within: bool = False) -> None:
        self.at, self.within, self.now, self.pressed = epoch, within, 1, False

    def begin(self, program, plans, history): ...

    def samples(self, step, values): ...

    def phase(self, phase): ...

    def end(self, trained): ...

    def step(self, moment):
        if self.within and self.now == self.at and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)

    def epoch(self, epoch, weights):
        self.now = epoch.epoch + 1
        if epoch.epoch == self.at and not self.within:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("epoch", "within"), [(1, True), (1, False), (2, True), (3, True), (3, False)])
def test_ctrl_c_in_any_phase_keeps_what_was_trained(tmp_path, monkeypatch, epoch, within):
    """In the first phase, the second one is not trained. Within an epoch, the step is finished."""
    monkeypatch.setattr("dlc.runtime.training.phase_training.STEP_INTERVAL", 0.0)
    console = Console(file=io.StringIO(), width=200)
    listeners = [Progress(console), Pressing(epoch, within)]
    trained, kept = run_in(tmp_path, phases(), points(24), points(8, 1), listeners)
    assert trained is not None and trained.ended == "interrupted"
    names = [phase.name for phase in trained.phases]
    assert names == ["first", "second"][: 1 if epoch <= 2 else 2]
    ends = read(kept, "phases.json")
    assert [p["ended"] for p in ends] == ["done"] * (len(names) - 1) + ["interrupted"]
    assert ends[-1]["last"] == trained.last == epoch
    saved = load_file(kept.path("weights.safetensors"))
    assert all(np.array_equal(saved[n], a) for n, a in trained.weights.items())
    steps = 3 * (epoch - 1) + (1 if within else 3)
    assert trained.history[-1].step == steps
    net, x = Nets(phases()), points(24)
    net.train(net.first, net.of("encoder", "decoder"), x, steps=min(steps, 6), epochs=2)
    net.train(net.second, net.of("encoder"), x, steps=max(steps - 6, 0), epochs=2)
    if trained.kept == trained.last:  # an epoch that is not validated is never the best of several
        net.assert_equal(trained.weights)
    assert (trained.kept == trained.last) == (not within or epoch != 2)
    written = console.file.getvalue()
    assert f"{names[-1]}: interrupted, epoch {trained.kept - ends[-1]['first'] + 1} of" in written
    assert ("not trained: second" in written) == (epoch <= 2)


def test_ctrl_c_after_the_last_epoch_of_a_phase_is_an_interruption():
    """Pressed while the figures of the first phase are measured."""

    class Late(Pressing):
        def phase(self, phase):
            if phase.name == "first":
                signal.raise_signal(signal.SIGINT)

    console = Console(file=io.StringIO(), width=200)
    trained = run(phases(), points(24), listeners=[Progress(console), Late(99)])
    assert (trained.ended, trained.last, trained.phases[0].ended) == ("interrupted", 2, "done")
    assert "not trained: second" in console.file.getvalue()


def test_an_interrupted_run_is_exported_with_the_weights_of_its_phase(tmp_path):
    columns = 'data { source = csv("p.csv")\nx = columns("a", "b") }\n'
    (tmp_path / "m.dl").write_text(phases().replace("train {", f"{columns}train {{"))
    lines = [f"{a},{b}" for a, b in points(24).tolist()]
    (tmp_path / "p.csv").write_text("\n".join(["a,b", *lines]))
    result = pipeline.train(dlc.compile(tmp_path / "m.dl"), out=tmp_path / "runs", listeners=[Pressing(1)])
    assert result.trained is not None and result.trained.ended == "interrupted"
    net = Nets(phases())
    net.train(net.first, net.of("encoder", "decoder"), points(24), steps=3)
    net.assert_equal(result.weights, rtol=1e-5, atol=1e-6)
    found = dlc.load(result.model).predict({"x": points(4).numpy()})
    np.testing.assert_allclose(found["code"], net.code(points(4)).detach(), rtol=1e-4, atol=1e-5)


# --- divergence -------------------------------------------------------------------------------------------


class Spoiling(Pressing):
    """A listener that puts NaN into a row after an epoch."""

    def __init__(self, x, epoch: int) -> None:
        super().__init__(epoch)
        self.x, self.ended = x, None

    def epoch(self, epoch, weights):
        if epoch.epoch == self.at:
            self.x[3] = np.nan

    def end(self, trained):
        self.ended = trained


@pytest.mark.parametrize(("second", "after", "kept", "note"), [
    ("", 2, 2, "the weights with which the phase `second` began are kept"),
    ("early_stop = patience(3)", 2, 2, "the weights with which the phase `second` began are kept"),
    ("epochs = 3", 3, 3, "the weights of epoch 1 of the phase `second` are kept"),
    ("epochs = 4\nearly_stop = patience(3)", 4, 4, "the weights of epoch 2 of the phase `second` are kept"),
])  # fmt: skip
def test_nan_in_the_second_phase_keeps_the_last_good_weights(tmp_path, second, after, kept, note):
    console = Console(file=io.StringIO(), width=200)
    x, text = points(24), phases(second=second, more="phase third { loss = mse(back, x) }")
    spoiling, folder = Spoiling(x, after), Run.create(tmp_path, "m")
    with pytest.raises(CompileError) as caught:
        run(text, x, points(8, 1), listeners=[folder, Progress(console), spoiling])
    [error] = caught.value.diagnostics
    order = torch.stack([*iterate_orders(24, after - 1)][-1:])[0]
    step = 3 * after + int((order == 3).nonzero()) // 8 + 1
    assert (error.code, error.message) == ("E0802", f"the result of `encoder.dense` is NaN at step {step}")
    assert error.notes == (note,)
    ended = spoiling.ended
    assert ended is not None and (ended.ended, ended.kept) == ("diverged", kept)
    good = text[: text.index("phase second" if after == 2 else "phase third")] + "}\n"
    shorter = good.replace(second, f"epochs = {after - 2}") if second else good
    wanted = run(shorter, points(24), points(8, 1)).weights
    assert all(np.array_equal(a, wanted[n]) for n, a in ended.weights.items())
    assert [p["name"] for p in read(folder, "phases.json")] == ["first"]
    assert read(folder, "epochs.json")["weights.safetensors"] == kept
    written = console.file.getvalue()
    assert f"stopped: {note}" in written and "not trained: third" in written


def iterate_orders(count: int, epochs: int):
    """The orders of the epochs of a phase; the last one is that of the epoch with the spoiled row."""
    shuffle = torch.Generator().manual_seed(0)
    for _ in range(max(epochs, 1)):
        yield torch.randperm(count, generator=shuffle)


STEPS = """input x: float[2]
input noise: float[3]
output fake: float[2]
net generator(z) { return z -> dense(4) -> tanh -> dense(2) }
net critic(x) { return x -> dense(4) -> tanh -> dense(1) }
noise -> generator -> fake
data { noise = normal() }
train {
  batch = 8
  epochs = 2
  step critic { loss = bce(critic(x), 1) + bce(critic(fake), 0) }
  step generator { loss = GENERATOR }
}
"""


@pytest.mark.parametrize(("loss", "message"), [
    ("mean(log(critic(fake) - 100))", "the result of `log` is NaN at step 1, where `generator` is trained"),
    ("mean(sqrt(0 * critic(fake)))",
     "the gradient of `sqrt` is infinite at step 1, where `generator` is trained"),
])  # fmt: skip
def test_the_second_objective_and_its_node_are_found(loss, message):
    """The critic has trained once when the loss of the generator or its gradient becomes NaN."""
    with pytest.raises(CompileError) as caught:
        run(STEPS.replace("GENERATOR", loss), points(24))
    [error] = caught.value.diagnostics
    assert error.message == message
    assert error.line == 12
    assert error.notes == ("the initial weights are kept",)


def test_a_row_that_spoils_a_later_epoch_is_found_in_the_step_that_reads_it():
    x = points(24)
    with pytest.raises(CompileError) as caught:
        run(STEPS.replace("GENERATOR", "bce(critic(fake), 1)"), x, listeners=[Spoiling(x, 1)])
    [error], order = caught.value.diagnostics, [*iterate_orders(24, 2)][1]
    step = 4 + int((order == 3).nonzero()) // 8
    assert error.message == f"the result of `critic.dense` is NaN at step {step}, where `critic` is trained"
    assert error.notes == ("the weights of epoch 1 are kept",)


def test_a_learning_rate_that_is_too_large_is_told_with_its_step():
    text = STEPS.replace("GENERATOR", "mse(fake, x)\noptimizer = sgd(lr=1e30)")
    with pytest.raises(CompileError) as caught:
        run(text, points(24))
    assert "where `generator` is trained" in caught.value.diagnostics[0].message


# --- what is printed --------------------------------------------------------------------------------------


def printed(text: str, x, validation=None, listeners=()) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    run(text, x, validation, listeners=[Progress(console), *listeners])
    return console.file.getvalue().splitlines()


def test_lines_of_phases_and_the_star_of_the_best_epoch():
    lines = printed(phases(second="early_stop = patience(9, on=train.loss)"), points(24), points(8, 1))
    assert [line.partition("  loss")[0] for line in lines] == [
        f"{phase}{words}" for phase in ("first", "second")
        for words in ("  epoch 1/2", "  epoch 2/2", ": done, epoch 2 of 2 is kept  validation")]  # fmt: skip
    assert lines[0].endswith(" left") and "*" in lines[0]
    assert not lines[4].endswith(" left") and lines[4].endswith("*")


def test_no_star_where_no_figure_compares_epochs():
    """Steps have several losses. With `early_stop`, one of them compares epochs."""
    text = STEPS.replace("GENERATOR", "bce(critic(fake), 1)")
    lines = printed(text, points(24), points(8, 1))
    assert len(lines) == 2 and "*" not in "".join(lines)
    assert lines[1].startswith("epoch 2/2  critic.loss ")
    stopping = text.replace("epochs = 2", "epochs = 2\nearly_stop = patience(5, on=train.critic.loss)")
    lines = printed(stopping, points(24))
    assert "*" in lines[0] and lines[-1].startswith("best epoch: ") and "train critic.loss" in lines[-1]
    kept = run(text, points(24))
    assert (kept.best, kept.kept) == (0, 2) and kept.described(2) == "epoch 2, the last"
    assert "best" not in kept.history[0].record()


def test_the_time_left_does_not_count_what_an_early_end_left_out(monkeypatch):
    """A phase of 100 steps ends after 2; 10 are left in the next one, at a second for each step."""
    console, now = Console(file=io.StringIO(), width=200), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress_display, "QUIET", 0.0)
    shown = Progress(console)
    shown.begin(program(phases()), [TrainingPlan([8] * 2, 100), TrainingPlan([8] * 2, 10)])
    now[0] = 2.0
    shown.epoch(Epoch(1, 2, 0.1, 2, {"loss": 1.0}, {}, True, (), "first"), dict)
    shown.phase(PhaseEnd("first", 1, 1, 1, 1, "early", {}))
    now[0] = 4.0
    shown.epoch(Epoch(2, 4, 0.1, 2, {"loss": 1.0}, {}, True, (), "second"), dict)
    first, end, second = console.file.getvalue().splitlines()
    assert first.endswith("1:48 left") and second.endswith("0:08 left")
    assert end == "first: stopped early, epoch 1 of 1 is kept"
    assert second.startswith("second  epoch 1/5")


def test_the_bar_names_the_phase_and_its_epoch():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    shown = Progress(console)
    titles = []

    class Watching(Pressing):
        def step(self, moment):
            titles.append(shown._title())

    run(phases(), points(24), listeners=[shown, Watching(99)])
    bar = [title for title in titles if title]
    assert set(bar) <= {"first  epoch 1", "first  epoch 2", "second  epoch 1", "second  epoch 2"}
    assert shown._bar is None


def test_the_same_phases_twice_give_the_same_bits():
    text, x = phases("ema = 0.9", "seed = 3", "precision = float64"), points(24)
    one, two = run(text, x), run(text, x)
    assert all(one.weights[n].tobytes() == a.tobytes() for n, a in two.weights.items())
    assert one.phases == two.phases
