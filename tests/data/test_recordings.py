"""Recordings of several formats, rates and numbers of channels as arrays; files that are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from scipy.io import wavfile

from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.data.files.recordings import RecordingReader

RATE = 8_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
EXACT = {"wav": 4e-5, "flac": 4e-5, "aiff": 4e-5, "caf": 4e-5, "ogg": 0.05, "mp3": 0.1}


def written(path: Path, samples: np.ndarray = TONE, rate: int = RATE, **settings: str) -> Path:
    soundfile.write(path, samples, rate, **settings)
    return path


def read(path: Path, rate: int = RATE, channels: int | None = None) -> np.ndarray:
    return RecordingReader(rate, channels).read(str(path))


@pytest.mark.parametrize("suffix", EXACT)
def test_all_formats_give_numbers_from_minus_one_to_one(tmp_path: Path, suffix: str) -> None:
    made = read(written(tmp_path / f"a.{suffix}"))
    assert made.dtype == np.float32 and made.shape == TONE.shape
    np.testing.assert_allclose(made, TONE, 0, EXACT[suffix])


@pytest.mark.parametrize(("dtype", "scale"), [("int16", 2**15), ("int32", 2**31), ("float32", 1)])
def test_wav_files_of_scipy_are_divided_by_the_range_of_their_integers(
    tmp_path: Path, dtype: str, scale: int
):
    stored = np.array([0, 0.25, -0.5, -1, 0.999]) * scale
    wavfile.write(tmp_path / "a.wav", RATE, stored.astype(dtype))
    np.testing.assert_allclose(read(tmp_path / "a.wav"), stored.astype(dtype).astype(float) / scale, 0, 1e-7)


def test_the_content_decides_the_format_not_the_suffix(tmp_path: Path) -> None:
    path = written(tmp_path / "a.flac").rename(tmp_path / "a.wav")
    np.testing.assert_allclose(read(path), TONE, 0, 4e-5)


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (22_050, 8_000), (8_000, 16_000)])
def test_another_rate_is_resampled(tmp_path: Path, rate: int, wanted: int) -> None:
    """SciPy's polyphase filter is another one, so both are compared with the tone itself, in the middle."""
    given, exact = (np.sin(2 * np.pi * 440 * np.arange(r) / r) * 0.5 for r in (rate, wanted))
    made = read(written(tmp_path / "a.wav", given, rate, subtype="FLOAT"), wanted)
    other = scipy.signal.resample_poly(given, wanted, rate)
    assert made.shape == other.shape == exact.shape
    middle = slice(wanted // 10, -wanted // 10)
    np.testing.assert_allclose(made[middle], exact[middle], 0, 1e-4)
    np.testing.assert_allclose(made[middle], other[middle], 0, 1e-3)


def test_what_a_lower_rate_cannot_hold_is_filtered_out(tmp_path: Path) -> None:
    high = np.sin(2 * np.pi * 6_000 * np.arange(22_050) / 22_050)
    assert np.abs(read(written(tmp_path / "a.wav", high, 22_050))[400:-400]).max() < 1e-3


def test_channels_are_averaged_or_kept(tmp_path: Path) -> None:
    both = np.stack((TONE, -TONE / 2), axis=1)
    path = written(tmp_path / "a.wav", both, subtype="FLOAT")
    np.testing.assert_allclose(read(path), TONE / 4, 0, 1e-7)
    np.testing.assert_array_equal(read(path, channels=2), both)
    np.testing.assert_allclose(read(path, channels=1), TONE[:, None] / 4, 0, 1e-7)
    one = written(tmp_path / "b.wav", subtype="FLOAT")
    np.testing.assert_array_equal(read(one, channels=2), np.stack((TONE, TONE), axis=1))
    with pytest.raises(BadFile, match="has 2 channels, not 3"):
        read(path, channels=3)


def fails(path: Path) -> str:
    with pytest.raises(BadFile) as caught:
        read(path)
    return caught.value.what


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf"])
def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path, suffix: str) -> None:
    whole = written(tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: len(whole) * 2 // 3])
    assert fails(tmp_path / f"a.{suffix}").startswith(("is damaged: ", "ends too early: "))


def test_a_wav_file_that_a_program_wrote_to_a_pipe_is_whole(tmp_path: Path) -> None:
    """Such programs do not know its size when they write the header."""
    content = bytearray(written(tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), TONE, 0, 4e-5)


def test_other_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    assert fails(path) == "does not exist"
    path.write_bytes(b"")
    assert fails(path) == "is empty"
    path.write_bytes(b"<!DOCTYPE html><html>")
    assert fails(path) == "is no recording that soundfile reads"
    path.write_bytes(np.random.default_rng(0).bytes(5_000))
    assert fails(path) == "is no recording that soundfile reads"
    written(path, np.zeros(0, np.float32))
    assert fails(path) == "has no samples at 8000 Hz"
    written(path, np.array([0, np.nan, 1], np.float32), subtype="FLOAT")
    assert fails(path) == "holds numbers that are not finite"
    path.unlink()
    path.mkdir()
    assert fails(path) == "is a folder, not a regular file"


def test_a_header_that_tells_of_more_than_fits_in_memory_is_refused(tmp_path: Path) -> None:
    """FLAC has the number of samples in 36 bits of its header."""
    content = bytearray(written(tmp_path / "a.flac").read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "a.flac").write_bytes(content)
    assert "of memory, and" in fails(tmp_path / "a.flac")
