"""Values that are drawn while a model trains: pictures and numbers in the folder of the run."""

from __future__ import annotations

import io
from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image
from steps_by_hand import points, run
from trainings import program

from dlc.compiler import CompileError
from dlc.compiler.lower.initial_weights import draw
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.data.sequences.ragged import Ragged
from dlc.runtime.run_writer import Run
from dlc.runtime.sample_files import sample_file, sheet
from dlc.runtime.training import samples as samples_of
from dlc.runtime.training.history import Listener
from dlc.runtime.training.loop import train

# --- files ------------------------------------------------------------------------------------------------


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_pictures_stand_beside_each_other_with_a_gap():
    """Five pictures of 40 x 50 are three columns and two lines; the last place is empty."""
    pictures = np.random.default_rng(0).random((5, 3, 40, 50)).astype(np.float32)
    name, content = sample_file("samples/fake_000010", pictures)
    found = opened(content)
    assert (name, found.shape) == ("samples/fake_000010.png", (2 * 40 + 1, 3 * 50 + 2, 3))
    for n, picture in enumerate(pictures):
        top, left = n // 3 * 41, n % 3 * 51
        part = found[top : top + 40, left : left + 50].astype(float)
        np.testing.assert_allclose(part, picture.transpose(1, 2, 0) * 255, atol=0.51)
    assert (found[40] == 128).all() and (found[:, 50] == 128).all() and (found[41:, 102:] == 128).all()


@pytest.mark.parametrize(("numbers", "light"), [
    ([0, 0.5, 1], [0, 128, 255]), ([0.2, 0.5, 0.6], [51, 128, 153]),
    ([-1, 0, 1], [0, 128, 255]), ([-0.5, 0, 0.5], [64, 128, 191]),
    ([0, 100, 200], [0, 128, 255]), ([-3, -2, -1], [0, 128, 255]), ([7, 7, 7], [0, 0, 0]),
    ([0, np.nan, 1], [0, 0, 255]), ([np.inf, 0, 1], [0, 0, 255]), ([np.nan] * 3, [0, 0, 0]),
])  # fmt: skip
def test_numbers_become_light(numbers, light):
    """From 0 to 1 or from -1 to 1, else from the lowest to the highest; what is not finite is black."""
    rows = np.repeat(np.float32(numbers), 32).reshape(1, 1, 3, 32).repeat(32, 2)
    found = sheet(rows)
    assert found.shape == (96, 32, 3)
    assert found[::32, 0].tolist() == [[n] * 3 for n in light]


def test_small_pictures_are_enlarged_in_whole_pixels():
    found = sheet(np.float32([[[[0, 1], [1, 0]]]]))
    assert found.shape == (32, 32, 3)
    assert found[:16, :16].max() == 0 and found[:16, 16:].min() == 255


def test_other_values_are_numbers():
    rows = np.float32([[[1, 2.5]], [[-3, 1e-9]]])
    assert sample_file("s", rows) == ("s.csv", b"1,2.5\n-3,1e-09\n")
    assert sample_file("s", np.float32([4, 5])) == ("s.csv", b"4\n5\n")
    assert sample_file("s", np.zeros((2, 4, 8, 8)))[0] == "s.csv"  # four channels are no picture


def test_the_size_of_a_file_is_bounded():
    """A strip of pixels is not enlarged to gigabytes, and only the first numbers are written."""
    assert sheet(np.zeros((4, 1, 1, 1 << 20), np.float32)).size <= 3 * (1 << 25)
    _, content = sample_file("s", np.zeros((64, 1 << 19), np.uint8))
    assert (content.count(b"\n"), content.count(b",")) == (2, (1 << 20) - 2)
    assert sample_file("s", np.zeros((3, 1 << 21), np.uint8))[1].count(b"0") == 1 << 20


# --- training ---------------------------------------------------------------------------------------------


class Kept(Listener):
    """A listener that keeps the samples of a training by their steps, and the weights at each of them."""

    def __init__(self) -> None:
        self.drawn: dict[int, dict[str, np.ndarray]] = {}

    def begin(self, program, plans, history): ...

    def step(self, moment): ...

    def epoch(self, epoch, weights): ...

    def phase(self, phase): ...

    def end(self, trained): ...

    def samples(self, step, values):
        self.drawn[step] = values


GAN = """input x: float[2]
input noise: float[3]
output fake: float[1, 4, 4]
net generator(z) { return z -> dense(16, bias=false) -> batchnorm -> dropout(0.2) -> reshape(1, 4, 4) }
net critic(x) { return x -> flatten -> dense(1) }
noise -> generator -> fake
data { noise = normal() }
train {
  batch = 8
  epochs = 4
  seed = 3
  SETTINGS
  step critic { loss = bce(critic(fake), 0) + mean(x) }
  step generator { loss = bce(critic(fake), 1) }
}
"""


def gan(settings: str) -> str:
    return GAN.replace("SETTINGS", settings)


def drawn(text: str, x, validation=None) -> tuple[dict[int, dict[str, np.ndarray]], dict[str, np.ndarray]]:
    kept = Kept()
    return kept.drawn, dict(run(text, x, validation, listeners=[kept]).weights)


def made(weights, count: int) -> np.ndarray:
    """What the generator makes of the noise of the seed, in inference form."""
    w = {name: torch.from_numpy(array) for name, array in weights.items()}
    z = torch.randn(count, 3, generator=torch.Generator().manual_seed(crc32(b"3 sample")))
    norm = "generator.batchnorm"
    scale = (w[f"{norm}.running_var"] + 1e-5).sqrt()
    h = (z @ w["generator.dense.weight"].T - w[f"{norm}.running_mean"]) / scale
    return (h * w[f"{norm}.weight"] + w[f"{norm}.bias"]).reshape(count, 1, 4, 4).numpy()


@pytest.mark.parametrize("ema", ["", "ema = 0.8"])
def test_the_last_samples_are_those_of_the_trained_weights(ema):
    """The first 64 rows, the noise of the seed, no dropout, running statistics, and the averages of `ema`."""
    found, weights = drawn(gan(f"sample = [fake]\n{ema}"), points(160))
    assert [*found] == [8, 16, 24, 32, 40, 48, 56, 64, 72, 80]
    np.testing.assert_allclose(found[80]["fake"], made(weights, 64), atol=1e-5)
    assert not np.allclose(found[8]["fake"], found[80]["fake"])


def test_samples_are_of_the_validation_rows_if_there_are_any():
    found, weights = drawn(gan("sample = [fake, x]"), points(40), points(5, 1))
    np.testing.assert_allclose(found[20]["fake"], made(weights, 5), atol=1e-5)
    assert np.array_equal(found[20]["x"], points(5, 1).numpy())


@pytest.mark.parametrize("ema", ["", "ema = 0.8"])
def test_samples_change_nothing_in_a_training(ema):
    with_samples, without = (drawn(gan(s + ema), points(44))[1] for s in ("sample = [fake]\n", ""))
    assert all(without[name].tobytes() == array.tobytes() for name, array in with_samples.items())


def test_the_noise_is_the_same_each_time():
    text = gan("optimizer = sgd(lr=1e-9)  # allow W0410: only the noise could change\nsample = [noise]")
    found, _ = drawn(text, points(40))
    first = found[2]["noise"]
    assert len(found) == 10 and all(np.array_equal(first, values["noise"]) for values in found.values())


def test_a_training_of_few_steps_has_fewer_samples():
    found, _ = drawn(gan("sample = [fake]").replace("epochs = 4", "steps = 3"), points(40))
    assert [*found] == [1, 2, 3]


def test_phases_draw_their_own_samples():
    text = """input x: float[2]
output y: float[2]
net f(x) { return x -> dense(2) }
h = f(x)
h -> y
twice = h * 2
train {
  batch = 8
  epochs = 1
  sample = [h]
  phase first { loss = mse(y, x) }
  phase second { loss = mse(y, 1)
                 sample = [y, twice]
                 steps = 2 }
}
"""
    found, weights = drawn(text, points(16))
    assert [(step, [*values]) for step, values in found.items()] == [
        (1, ["h"]), (2, ["h"]), (3, ["y", "twice"]), (4, ["y", "twice"])]  # fmt: skip
    wanted = points(16).numpy() @ weights["f.dense.weight"].T + weights["f.dense.bias"]
    np.testing.assert_allclose(found[4]["y"], wanted, atol=1e-6)
    np.testing.assert_allclose(found[4]["twice"], 2 * found[4]["y"], atol=1e-6)


def test_files_of_a_run(tmp_path):
    folder = Run.create(tmp_path, "m")
    run(gan("sample = [fake, noise]").replace("epochs = 4", "steps = 2"), points(40), listeners=[folder])
    names = sorted(path.name for path in folder.path("samples").iterdir())
    assert names == ["fake_000001.png", "fake_000002.png", "noise_000001.csv", "noise_000002.csv"]
    numbers = np.loadtxt(folder.path("samples/noise_000002.csv"), delimiter=",")
    noise = torch.randn(40, 3, generator=torch.Generator().manual_seed(crc32(b"3 sample"))).numpy()
    np.testing.assert_allclose(numbers, noise, rtol=1e-5)
    assert opened(folder.path("samples/fake_000002.png").read_bytes()).shape == (6 * 33 - 1, 7 * 33 - 1, 3)


def test_scores_of_an_output_have_a_plain_name(tmp_path):
    """`y.logits` is a file of the folder, and no path."""
    text = ("input x: float[2]\noutput y: class(2)\nx -> dense(2) -> y\n"
            "train { sample = [y.logits]\nsteps = 1 }\n")  # fmt: skip
    rows = InMemoryRows({"x": points(8).numpy(), "y": np.arange(8) % 2}, 8)
    folder, p = Run.create(tmp_path, "m"), program(text)
    train(p, Dataset(rows), draw(p.graph, 0), on="cpu", listeners=[folder])
    assert [path.name for path in folder.path("samples").iterdir()] == ["y_logits_000001.csv"]


@pytest.mark.parametrize("sample", ['"../../etc/passwd"', "../fake", "fake[0]", "critic(x)", "3"])
def test_what_has_no_name_cannot_be_sampled(sample):
    with pytest.raises(CompileError):
        program(gan(f"sample = [{sample}]"))


def test_a_training_in_which_all_inputs_are_drawn_has_samples():
    text = GAN.replace("input x: float[2]\n", "").replace(" + mean(x)", "").replace("epochs = 4", "steps = 5")
    found, weights = drawn(text.replace("SETTINGS", "sample = [fake]"), None)
    assert [*found] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found[5]["fake"], made(weights, 64), atol=1e-5)


def test_a_weight_is_no_sample():
    """It is the same for all rows, and in the weights of the run."""
    text = """input x: float[2]
output y: float[2]
weight scale: float[2] = ones
x * scale -> y
train { sample = [scale] }
"""
    with pytest.raises(CompileError) as caught:
        program(text)
    assert [(d.code, d.line) for d in caught.value.diagnostics] == [("E0507", 5)]


def test_sequences_that_differ_in_length_are_padded():
    text = """input x: float[T, 2]
output y: float
h = x -> dense(3)
mean(h) -> y
train { sample = [h]
        loss = mse(y, 0)
        steps = 1 }
"""
    parts = [points(n, n).numpy() for n in (2, 5, 3)]
    values, lengths = np.concatenate(parts), np.array([2, 5, 3])
    p = program(text)
    rows = InMemoryRows({"x": Ragged(values, lengths)}, 3, lengths={"x_length": lengths})
    kept = Kept()
    trained = train(p, Dataset(rows), draw(p.graph, 0), on="cpu", listeners=[kept])
    h = kept.drawn[1]["h"]
    assert h.shape == (3, 5, 3)
    for n, part in enumerate(parts):
        wanted = part @ trained.weights["dense.weight"].T + trained.weights["dense.bias"]
        np.testing.assert_allclose(h[n, : len(part)], wanted, atol=1e-5)


def test_few_rows_of_large_pictures_are_drawn(monkeypatch):
    """64 pictures of 3 x 4000 x 4000 would need twelve gigabytes."""
    monkeypatch.setattr(samples_of, "ENTRIES", 16 * 20)
    found, _ = drawn(gan("sample = [fake]"), points(40))
    assert len(found[20]["fake"]) == 20
    monkeypatch.setattr(samples_of, "ENTRIES", 1)
    found, _ = drawn(gan("sample = [fake]"), points(40))
    assert len(found[20]["fake"]) == 1
