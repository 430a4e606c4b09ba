"""Writes the folder `spoken_digits`, FLAC recordings of English digits, one folder a digit, each voice of
`speech.py` in `train` or in `test`: `python specs/data/spoken_digits.py`, with the program `espeak-ng`."""

import shutil
from pathlib import Path

import numpy as np
import soundfile
from speech import RATE, in_a_room, voices

HERE = Path(__file__).parent
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
VOICES, OF_TEST = 36, 12


def main() -> None:
    folder = HERE / "spoken_digits"
    shutil.rmtree(folder, ignore_errors=True)
    rng = np.random.default_rng(1)
    for number, voice in enumerate(voices(VOICES, seed=1)):
        part = "test" if number < OF_TEST else "train"
        for digit in DIGITS:
            path = folder / part / digit / f"{voice.name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, in_a_room(voice.say(digit), rng, pause=0.15), RATE, subtype="PCM_16")


if __name__ == "__main__":
    main()
