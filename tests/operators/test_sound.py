"""Features of sound compared with SciPy, with formulas written apart, and with PyTorch, in every engine."""

from __future__ import annotations

from math import log10

import numpy as np
import onnx
import pytest
import scipy.fft
import scipy.signal
import torch
from engines import compile_flow, inference, run_onnxruntime, run_reference, versions
from forms import bind, run_torch
from second_engine import run_openvino

from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.sound import Spectrogram

RATE = 16_000
WINDOWS = ((400, 160), (512, 128), (1024, 256), (1102, 441), (2048, 1000))


def recording(samples: int = RATE, seed: int = 0) -> np.ndarray:
    """Two tones, a burst of noise that fades away, some noise everywhere, and silence; in [-1, 1]."""
    rng, time = np.random.default_rng(seed), np.arange(samples) / RATE
    wave = 0.3 * np.sin(2 * np.pi * 440 * time) + 0.1 * np.sin(2 * np.pi * 3_000 * time**2)
    wave += 0.2 * rng.standard_normal(samples) * np.exp(-20 * time) + 1e-3 * rng.standard_normal(samples)
    wave[-samples // 5 :] = 0
    return np.round(wave * 2**15).clip(-(2**15), 2**15 - 1).astype(np.float32) / np.float32(2**15)


def scipys_spectrogram(wave: np.ndarray, window: int, hop: int, power: float = 2) -> np.ndarray:
    hann = scipy.signal.get_window("hann", window, fftbins=True)
    _, _, found = scipy.signal.stft(wave.astype(np.float64), window=hann, nperseg=window, boundary="even",
                                    noverlap=window - hop, padded=False, scaling="spectrum")  # fmt: skip
    return (np.abs(found) * hann.sum()) ** power


def htks_bank(bins: int, window: int, rate: float, low: float, high: float) -> np.ndarray:
    """The triangles, one number after the other."""
    first, last = (2595 * log10(1 + f / 700) for f in (low, high))
    corners = [700 * (10 ** ((first + (last - first) * i / (bins + 1)) / 2595) - 1) for i in range(bins + 2)]
    bank = np.zeros((bins, window // 2 + 1))
    for row, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        for k in range(window // 2 + 1):
            frequency = k * rate / window
            if left < frequency <= middle:
                bank[row, k] = (frequency - left) / (middle - left)
            elif middle < frequency < right:
                bank[row, k] = (right - frequency) / (right - middle)
    return bank


def answers(flow: str, type: str, wave: np.ndarray, opset: int = 20) -> dict[str, np.ndarray]:
    """What each engine makes of one recording."""
    made, graph = compile_flow(flow, (type,))
    graph = inference(graph, made)
    proto = onnx.load_model_from_string(
        to_onnx.serialize(to_onnx.model(graph, {}, **versions(opset), name="s"))
    )
    feed = {"a": wave[None]}
    return {
        "torch": Model(graph, (), {})({"a": torch.from_numpy(wave[None])})["y0"].numpy()[0],
        "ONNX Runtime": run_onnxruntime(proto)(feed)["y0"][0],
        "onnx.reference": run_reference(proto)(feed)["y0"][0],
    }


@pytest.mark.parametrize(("window", "hop"), WINDOWS)
@pytest.mark.parametrize("power", [2, 1])
def test_a_spectrogram_is_that_of_scipy(window, hop, power):
    wave = recording(4_000)
    want = scipys_spectrogram(wave, window, hop, power)
    for type in ("float[T]", "float[4000]"):
        for engine, made in answers(f"a -> spectrogram({window}, {hop}, power={power})", type, wave).items():
            assert made.shape == want.shape == (window // 2 + 1, 4_000 // hop + 1)
            np.testing.assert_allclose(made, want, 0, 2e-6 * want.max(), err_msg=engine)


@pytest.mark.parametrize(("window", "hop"), WINDOWS)
def test_the_logarithm_of_a_mel_spectrogram_is_exact_to_one_part_in_ten_thousand(window, hop):
    wave = recording()
    low, high = (0, RATE / 2) if window == 400 else (20, 7_600)
    mel = htks_bank(40, window, RATE, low, high) @ scipys_spectrogram(wave, window, hop)
    flow = f"log((a -> spectrogram({window}, {hop}) -> mel(40, {RATE}, {low}, {high})) + 1e-6)"
    for engine, made in answers(flow, "float[T]", wave).items():
        np.testing.assert_allclose(made, np.log(mel + 1e-6), 1e-4, 1e-4, err_msg=engine)


def test_mfcc_are_the_cosines_of_that_logarithm():
    wave = recording()
    mel = htks_bank(26, 400, RATE, 0, RATE / 2) @ scipys_spectrogram(wave, 400, 160)
    want = scipy.fft.dct(np.log(mel + 1e-6), type=2, norm="ortho", axis=0)[:13]
    for engine, made in answers(f"a -> spectrogram(400, 160) -> mel(26, {RATE}) -> mfcc(13)", "float[T]",
                                wave).items():  # fmt: skip
        np.testing.assert_allclose(made, want, 0, 2e-4, err_msg=engine)


@pytest.mark.parametrize("window", [400, 1024])
def test_channels_are_recordings_of_their_own(window):
    left, right = recording(seed=1), recording(seed=2)
    flow = f"a -> spectrogram({window}) -> mel(20, {RATE}) -> mfcc(10)"
    both = answers(flow, "float[2, T]", np.stack((left, right)))
    for channel, wave in enumerate((left, right)):
        for engine, want in answers(flow, "float[T]", wave).items():
            np.testing.assert_allclose(both[engine][channel], want, 0, 3e-4, err_msg=engine)


def test_a_spectrogram_and_its_gradient_are_those_of_pytorch():
    operator = bind(Spectrogram(window=64, hop=20), (700,))
    x = torch.from_numpy(np.stack([recording(700, seed) for seed in range(3)])).requires_grad_()
    spectrum = torch.stft(x, 64, 20, window=torch.hann_window(64), return_complex=True)
    want, made = spectrum.abs().square(), run_torch(operator, x)
    torch.testing.assert_close(made, want)
    torch.testing.assert_close(*(torch.autograd.grad(y.log1p().sum(), x)[0] for y in (made, want)))


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 33])
def test_a_recording_shorter_than_half_a_window_is_mirrored_again(samples):
    wave = recording(samples, seed=3)
    around = np.pad(wave.astype(np.float64), 32, "reflect")
    hann = scipy.signal.get_window("hann", 64)
    frames = [around[start : start + 64] * hann for start in range(0, samples + 1, 4)]
    want = np.stack([np.abs(scipy.fft.rfft(frame)) ** 2 for frame in frames], axis=1)
    for engine, made in answers("a -> spectrogram(64, 4)", "float[T]", wave).items():
        np.testing.assert_allclose(made, want, 1e-4, 1e-6, err_msg=engine)


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_silence_has_a_finite_gradient(power):
    x = torch.zeros(2, 50, requires_grad=True)
    made = run_torch(bind(Spectrogram(window=16, power=power), (50,)), x)
    assert not made.detach().any()
    (gradient,) = torch.autograd.grad((made + 1e-6).log().sum(), x)
    assert torch.isfinite(gradient).all()


def written(flow: str, type: str, **settings: bool) -> onnx.ModelProto:
    made, graph = compile_flow(flow, (type,))
    model = to_onnx.model(inference(graph, made), {}, **versions(20), name="s", **settings)
    return onnx.load_model_from_string(to_onnx.serialize(model))


def test_a_file_has_the_waves_of_a_window_once_and_none_for_the_fast_transform():
    once, twice, fast = (
        written(flow, "float[T]")
        for flow in (
            "a -> spectrogram(400)",
            "(a -> spectrogram(400, 160)) + (a * 2 -> spectrogram(400, 160))",
            "a -> spectrogram(1024)",
        )
    )
    waves = 402 * 400 * 4
    assert waves < once.ByteSize() < twice.ByteSize() < waves + 10_000
    assert fast.ByteSize() < 8_000
    assert "STFT" in {node.op_type for node in fast.graph.node}


@pytest.mark.slow
@pytest.mark.parametrize("window", [400, 1024])
def test_openvino_makes_the_same(window):
    flow, wave = f"a -> spectrogram({window}, 160) -> mel(40, {RATE}) -> mfcc(13)", recording()
    proto = written(flow, "float[T]", in_openvino=True)
    made = run_openvino(proto.SerializeToString(), {"a": np.stack((wave, wave / 2))})["y0"]
    for have, given in zip(made, (wave, wave / 2), strict=True):
        np.testing.assert_allclose(have, answers(flow, "float[T]", given)["torch"], 0, 3e-4)
