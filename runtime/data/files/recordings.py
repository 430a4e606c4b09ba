"""Recordings as arrays, decoded by soundfile and resampled by soxr."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import shorten
from dlc.runtime import memory
from dlc.runtime.data import formats
from dlc.runtime.data.data_errors import SHAPE, TOO_LARGE
from dlc.runtime.data.files.bad_file import BadFile, opened_file

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 1 << 18  # samples of each channel that are decoded at a time
CLAIM = re.compile(r"(\d+) \(should be (\d+)\)")  # libsndfile's note of a header that does not fit its file
OPEN_END = 0x7FFF_0000  # sizes from here on are of writers that did not know the size
SLACK = 64  # bytes by which careless writers are wrong
FORMATS = "write it as WAV, FLAC, OGG or MP3"
UNKNOWN = 1  # the code of libsndfile for content of no format that it knows


@dataclass(frozen=True)
class RecordingReader:
    """Recordings at a rate as float32 from -1 to 1: `[time]` if `channels` is None, the mean of the channels
    of the file, else `[time, channels]`."""

    rate: int
    channels: int | None = None

    def read(self, path: str, *beside: str) -> np.ndarray:
        """The recording of a file. `BadFile` if it cannot be decoded."""
        with opened(path) as sound:
            check_memory(sound, self.rate)
            samples = with_channels(decoded(sound), self.channels or 1)
            samples = resampled(samples, sound.samplerate, self.rate)
        if not np.isfinite(samples).all():
            raise BadFile("holds numbers that are not finite", "write it anew, for example with 16 bits")
        if not len(samples):
            raise BadFile(f"has no samples at {self.rate} Hz")
        return samples[:, 0] if self.channels is None else samples


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """A recording, whose header is read. Whatever fails while it is decoded is a `BadFile`."""
    import soundfile

    with opened_file(path) as file:
        try:
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
                yield sound
        except soundfile.LibsndfileError as error:
            raise unreadable(path, error) from None
        except MemoryError:
            raise BadFile("does not fit in memory", "cut it into parts") from None


def unreadable(path: str, error: Any) -> BadFile:
    """The error for a file that libsndfile cannot decode."""
    with suppress(OSError), reading.open_file(path) as file:
        head = file.read(4096)
        if not head:
            return BadFile("is empty")
        why, help = formats.of_another_kind(head, os.path.basename(path), in_spec=False)
        if error.code == UNKNOWN:
            return BadFile("is no recording that soundfile reads", help if why == formats.TEXT else FORMATS)
    return BadFile(f"is damaged: {shorten(error.error_string.strip(' .'), 120)}")


def check_memory(sound: Any, rate: int) -> None:
    """Refuse a recording that does not fit in memory, by its header."""
    samples = sound.frames * sound.channels * (1 + rate / sound.samplerate)
    size, free = 2 * samples * np.dtype(np.float32).itemsize, memory.free()
    if size > free:
        sizes = f"{memory.format_size(size)} of memory, and {memory.format_size(free)} is free"
        raise BadFile(f"takes {sizes}", "cut it into parts", TOO_LARGE)


def decoded(sound: Any) -> np.ndarray:
    """All samples, `[time, channels]`. A file that ends too early is damaged."""
    blocks = [np.empty((0, sound.channels), np.float32)]
    while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
        blocks.append(block)
    found = np.concatenate(blocks)
    claims = [(int(told), int(held)) for told, held in CLAIM.findall(sound.extra_info)]
    lacking = max((told - held for told, held in claims if told < OPEN_END), default=0)
    if lacking > SLACK:
        raise BadFile(f"ends too early: {lacking} bytes are missing")
    if len(found) < sound.frames:
        raise BadFile(f"is damaged: {len(found)} of {sound.frames} samples can be decoded")
    return found


def with_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """The samples with so many channels: one is the mean of all, and one becomes several by copies."""
    found = samples.shape[1]
    if found == channels:
        return samples
    if channels == 1:
        return samples.mean(axis=1, keepdims=True, dtype=np.float32)
    if found == 1:
        return np.repeat(samples, channels, axis=1)
    raise BadFile(f"has {found} channels, not {channels}", "`float[T]` takes the mean of all channels", SHAPE)


def resampled(samples: np.ndarray, have: int, want: int) -> np.ndarray:
    if have == want or not len(samples):
        return samples
    import soxr

    return soxr.resample(samples, have, want)
