"""Speech of espeak-ng (1.51), a free synthesizer: many voices, each with an accent, a speed and a pitch of
its own. The licences of the programs do not apply to what they say."""

import io
import random
import subprocess
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

RATE = 8000
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
VARIANTS = [
    "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie", "antonio", "aunty", "belinda", "benjamin", "boris",
    "caleb", "david", "Denis", "Diogo", "ed", "edward", "edward2", "Gene", "Gene2", "Henrique", "Hugo",
    "iven", "iven2", "iven3", "iven4", "Jacky", "john", "kaukovalta", "Lee", "linda", "Marcelo", "Marco",
    "Mario", "max", "michael", "michel", "miguel", "mike", "Nguyen", "pablo", "paul", "pedro", "quincy",
    "RicishayMax", "RicishayMax2", "RicishayMax3", "rob", "robert", "sandro", "shelby", "steph", "steph2",
    "steph3", "travis", "victor", "Zac", "anika", "f1", "f2", "f3", "f4", "f5", "grandma", "grandpa", "klatt",
    "klatt2", "klatt3", "klatt4", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "norbert",
]  # fmt: skip


@dataclass(frozen=True)
class Voice:
    variant: str
    accent: str
    speed: int  # words a minute
    pitch: int  # of 0 to 99

    @property
    def name(self) -> str:
        return self.variant.lower()

    def say(self, text: str) -> np.ndarray:
        """Samples in [-1, 1]."""
        voice = f"{self.accent}+{self.variant}"
        command = ["espeak-ng", "-v", voice, "-s", str(self.speed), "-p", str(self.pitch), "--stdout", text]
        said = subprocess.run(command, capture_output=True, check=True).stdout
        samples, rate = soundfile.read(io.BytesIO(said), dtype="float32")
        return soxr.resample(samples, rate, RATE)


def voices(count: int, seed: int) -> list[Voice]:
    rng = random.Random(seed)
    return [
        Voice(variant, rng.choice(ACCENTS), rng.randint(120, 240), rng.randint(20, 80))
        for variant in rng.sample(VARIANTS, count)
    ]


def in_a_room(samples: np.ndarray, rng: np.random.Generator, pause: float) -> np.ndarray:
    """What a microphone hears: a quiet or loud voice, noise, and pauses of up to `pause` seconds on both
    sides."""
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    spoken = samples[loud[0] : loud[-1] + 1]
    before, after = (rng.uniform(0.02, pause, 2) * RATE).astype(int)
    heard = np.pad(spoken / np.abs(spoken).max(), (before, after)) * rng.uniform(0.2, 0.9)
    return heard + rng.normal(0, 0.0003 * 10 ** rng.uniform(0, 0.7), heard.shape)
