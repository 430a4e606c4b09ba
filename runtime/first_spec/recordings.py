"""The network of a first spec for recordings: convolutions over a mel spectrogram, by rate and length."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from dlc.compiler.definitions.file_sources import RATE
from dlc.runtime.data.files.recordings import opened
from dlc.runtime.first_spec.first import NetworkOfFiles
from dlc.runtime.first_spec.writing import comment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.runtime.first_spec.looked_at import LookedAt

MAX_OPENED = 5_000  # recordings whose headers are read
FRAME = 0.032  # seconds of a frame, about
MIN_WINDOW, MAX_WINDOW = 16, 4_096  # samples of a frame
BANDS = 40  # of the mel scale
CHANNELS = (64, 64, 128)  # of the layers
STEPS, BATCH = 1_000, 16


def network_for(looked_at: LookedAt, names: Sequence[str]) -> NetworkOfFiles:
    rate, lengths = rate_and_lengths(looked_at, names)
    window = window_for(rate)
    samples = {name: int(seconds * rate) - 1 for name, seconds in lengths.items()}  # at least
    for name, count in samples.items():
        if count < window // 2:
            looked_at.bad[name] = f"has {lengths[name] * 1000:.0f} ms, less than half a frame"
    frames = [count // (window // 2) + 1 for count in samples.values() if count >= window // 2]
    flow = tuple(network(rate, window, min(frames, default=1)))
    return NetworkOfFiles("input sound: float[T]", flow, f"audio({{path}}, rate={rate})", STEPS, BATCH)


def rate_and_lengths(looked_at: LookedAt, names: Sequence[str]) -> tuple[int, dict[str, float]]:
    """The rate that most recordings have, at most 16 kHz, and their lengths in seconds."""
    rates, lengths = Counter(), {}
    for name, sound in looked_at.each(names, MAX_OPENED, opened):
        rates[sound.samplerate] += 1
        lengths[name] = sound.frames / sound.samplerate
    frequent = max(rates, key=lambda rate: (rates[rate], rate))
    return min(frequent, RATE), lengths


def window_for(rate: int) -> int:
    """Samples of a frame: a power of two."""
    return min(MAX_WINDOW, max(MIN_WINDOW, 2 ** round(math.log2(FRAME * rate))))


def network(rate: int, window: int, fewest: int) -> Iterator[str]:
    """The flow to `kind`; `fewest` are the frames of the shortest recording."""
    bands = min(BANDS, window // 4)
    yield from comment(
        f"Frames of {round(1000 * window / rate)} ms: the power in {bands} bands, narrow for low and wide "
        "for high sounds, as of the ear. The logarithm brings soft and loud sounds near each other."
    )
    yield f"power = sound -> spectrogram({window}, hop={window // 2}) -> mel({bands}, {rate})"
    yield "heard = log(power + 1e-6) -> batchnorm\n"
    yield from comment("Each layer hears longer stretches. The mean over all frames suits any length.")
    yield " ".join(["heard", *layers(fewest), "-> global_avgpool"])
    yield "-> dropout(0.3) -> dense(kind.classes) -> kind"


def layers(frames: int) -> Iterator[str]:
    """Convolutions along the time, with pooling between them while the shortest recording has frames left."""
    for number, channels in enumerate(CHANNELS):
        if number and frames >= 2:
            yield "-> maxpool(2)"
            frames //= 2
        yield f"-> conv({channels}, 5, padding=same, bias=false) -> batchnorm -> relu"
