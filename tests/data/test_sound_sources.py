"""Specs that train on recordings: folders, tables with the names of files, and artifacts of raw waves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import soxr
from click.testing import CliRunner, Result

from dlc import load
from dlc.cli import commands

RATE = 8_000
PITCHES = {"high": 2_400.0, "low": 300.0, "mid": 900.0}  # in the order of the classes
SPEC = """
input  wave: float[T]
output pitch: class(auto)

s = log((wave -> spectrogram(256, hop=128) -> mel(16, 8000)) + 1e-6)
s -> conv(8, 3, padding=same) -> relu -> global_avgpool -> dense(pitch.classes) -> pitch

data {
  source     = audio("tones", rate=8000)
  validation = 0.25
}
train {
  optimizer = adam(lr=0.02)
  batch = 8
  epochs = 6
}
"""
LISTED = 'csv("list.csv")\n  wave = files("path", root="tones", rate=8000)'


def tone(pitch: str, seed: int, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seconds = rng.uniform(0.2, 0.7)
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * PITCHES[pitch] * rng.uniform(0.9, 1.1) * time)
    return (wave + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of eight tones a class, as FLAC, WAV and OGG."""
    for pitch in PITCHES:
        (tmp_path / "tones" / pitch).mkdir(parents=True)
        for n in range(8):
            path = tmp_path / "tones" / pitch / f"{n}.{('flac', 'wav', 'ogg')[n % 3]}"
            soundfile.write(path, tone(pitch, n), RATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(folder: Path, *rows: str) -> None:
    """A table with the names of the recordings."""
    found = [
        f"{pitch}/{path.name},{pitch}"
        for pitch in PITCHES
        for path in sorted((folder / "tones" / pitch).iterdir())
    ]
    (folder / "list.csv").write_text("\n".join(["path,pitch", *found, *rows, ""]))


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


def trained(text: str) -> Path:
    Path("tones.dl").write_text(text)
    made = dlc("train", "tones.dl")
    assert made.exit_code == 0, made.output + made.stderr
    return next(Path("runs/tones").glob("*/model.onnx"))


def errors(text: str) -> str:
    """What the command says of a spec that cannot be trained."""
    Path("tones.dl").write_text(text)
    made = dlc("train", "tones.dl")
    assert made.exit_code == 1
    return made.stderr


def answers(printed: Result) -> dict[str, list[str]]:
    """The answers by file."""
    assert printed.exit_code == 0, printed.output + printed.stderr
    _, *lines = printed.stdout.splitlines()
    return {file: rest for file, *rest in (line.split(",") for line in lines)}


def test_a_folder_of_recordings_trains_and_the_artifact_takes_the_raw_wave(folder: Path) -> None:
    model = trained(SPEC)
    found = answers(dlc("predict", model, "tones"))
    assert len(found) == 24
    assert sum(answer[0] == name.split("/")[0] for name, answer in found.items()) > 20
    session = onnxruntime.InferenceSession(str(model))
    ours = load(model)
    waves = [soundfile.read(folder / "tones" / name, dtype="float32")[0] for name in found]
    together = ours.predict({"wave": waves})["pitch_probabilities"]
    for wave, of_batch, printed in zip(waves, together, found.values(), strict=True):
        label, alone = session.run(None, {"wave": wave[None]})
        assert label[0] == printed[0]
        np.testing.assert_allclose(of_batch, alone[0], 1e-4, 1e-6)
        np.testing.assert_allclose([float(p) for p in printed[1:]], alone[0], 1e-4, 1e-6)
    assert "accuracy" in dlc("eval", model, "tones").output


def test_one_recording_of_another_rate_and_format_is_answered_alike(folder: Path) -> None:
    model = trained(SPEC)
    wave = tone("high", 99)
    soundfile.write("own.flac", wave, RATE, subtype="PCM_24")
    both = np.stack([soxr.resample(wave, RATE, 44_100)] * 2, axis=1)
    soundfile.write("other.wav", both, 44_100, subtype="FLOAT")
    own, other = (answers(dlc("predict", model, name))[name] for name in ("own.flac", "other.wav"))
    assert own[0] == other[0]
    np.testing.assert_allclose([float(p) for p in own[1:]], [float(p) for p in other[1:]], 0, 0.02)


def test_recordings_of_several_lengths_share_a_batch_of_the_artifact(folder: Path) -> None:
    """The padding of a batch may hold anything: a convolution after the log mel spectrogram reads behind the
    end what it reads there for the recording alone."""
    model = trained(SPEC + "export { lengths = true }\n")
    session = onnxruntime.InferenceSession(str(model))
    waves = [tone("low", 7), tone("mid", 8)[:1_000], tone("high", 9)[:300]]
    batch = np.full((3, max(map(len, waves))), np.nan, np.float32)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = wave
    given = {"wave": batch, "wave_length": np.array([len(wave) for wave in waves])}
    together = session.run(["pitch_probabilities"], given)[0]
    for have, wave in zip(together, waves, strict=True):
        alone = {"wave": wave[None], "wave_length": np.array([len(wave)])}
        np.testing.assert_allclose(have, session.run(["pitch_probabilities"], alone)[0][0], 1e-4, 1e-6)


def test_a_table_names_the_recordings(folder: Path) -> None:
    named(folder, ",low")
    text = SPEC.replace('audio("tones", rate=8000)', LISTED)
    said = errors(text)
    assert "E0706" in said and "list.csv, row 25" in said
    made = trained(text.replace("validation", "drop       = missing\n  validation"))
    found = load(made)
    assert found.predict({"wave": [tone("low", 50)]})["pitch"][0] in PITCHES
    named(folder)
    assert len(dlc("predict", made, "list.csv").stdout.splitlines()) == 25
    named(folder, "../tones.dl,low", "low/none.wav,low")
    said = errors(text)
    assert (
        'list.csv, row 25 (line 26), column "path", "../tones.dl": the file is outside of the folder' in said
    )
    assert '"low/none.wav": does not exist' in said


def test_broken_recordings_are_named_before_the_training(folder: Path) -> None:
    whole = (folder / "tones/low/1.wav").read_bytes()
    (folder / "tones/low/1.wav").write_bytes(whole[:2_000])
    (folder / "tones/mid/0.flac").write_bytes(b"")
    (folder / "tones/mid/2.ogg").write_text("a text")
    said = errors(SPEC)
    assert "error[E0702]: tones, low/1.wav: the file ends too early: " in said
    assert "mid/0.flac: is empty" in said
    assert "mid/2.ogg: is no recording that soundfile reads" in said
    assert "epoch" not in said and not (folder / "runs").exists()


def test_a_fixed_number_of_samples_is_that_of_every_recording(folder: Path) -> None:
    said = errors(SPEC.replace("float[T]", "float[4000]"))
    assert "error[E0704]: tones, high/0.flac: the file has " in said
    assert "not 4_000 samples (0.5 s at 8000 Hz)" in said
    assert "`wave: float[T]` takes recordings of any length" in said
    for path in (folder / "tones").rglob("*.*"):
        wave = np.resize(soundfile.read(path)[0], 4_000)
        soundfile.write(path, wave, RATE)
    assert load(trained(SPEC.replace("float[T]", "float[4000]"))).predict({"wave": [wave]})["pitch"]


def test_channels_of_a_recording_stand_before_the_time(folder: Path) -> None:
    """The pitch of the left channel says the class; the right one has noise alone."""
    rng = np.random.default_rng(0)
    for path in (folder / "tones").rglob("*.*"):
        left = soundfile.read(path)[0]
        soundfile.write(path, np.stack((left, 0.1 * rng.standard_normal(len(left))), axis=1), RATE)
    text = SPEC.replace("float[T]", "float[2, T]").replace(
        "s -> conv(8, 3, padding=same)", "s -> reshape(32, T // 128 + 1) -> conv(8, 3, padding=same)"
    )
    model = load(trained(text))
    given = [np.stack((tone(pitch, 30), tone("low", 30))) for pitch in PITCHES]
    assert model.predict({"wave": given})["pitch"].tolist() == [*PITCHES]


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_the_rate_or_the_names_tell_recordings_from_pictures(folder: Path, rate: int) -> None:
    """`float[2, 800]` has the sizes of a picture, too. The rate of 16000 is not written."""
    for path in (folder / "tones").rglob("*.*"):
        soundfile.write(path, np.resize(soundfile.read(path)[0], (800, 2)), rate)
    named(folder)
    text = SPEC.replace("float[T]", "float[2, 800]").replace('audio("tones", rate=8000)', LISTED)
    text = text.replace("s -> conv(8, 3, padding=same)", "s -> reshape(32, 7) -> conv(8, 3, padding=same)")
    text = text if rate == RATE else text.replace(", rate=8000)", ")").replace("(16, 8000)", "(16, 16000)")
    model = trained(text)
    assert load(model).predict({"wave": [np.stack((tone("low", 3)[:800],) * 2)]})["pitch"][0] in PITCHES
    assert len(dlc("predict", model, "list.csv").stdout.splitlines()) == 25


@pytest.mark.parametrize("type", ["float[C, T]", "int64[T]", "float[1, 1, T]"])
def test_other_types_take_no_recording(type: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = f"input wave: {type}\noutput pitch: class(low, high)\nwave -> sum -> dense(2) -> pitch\n"
    Path("tones.dl").write_text(flow + 'data { source = audio("tones") }\n')
    said = dlc("check", "tones.dl").output
    assert f"error[E0704]: `wave` is {type}, and no recording fills it" in said
    assert "a recording fills `float[T]`, or `float[2, T]` with the number of its channels" in said
