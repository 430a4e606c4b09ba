"""Writes `spoken_orders.csv` and the folder `spoken_orders`, MP3 recordings of orders such as "three green
bottles", "blue lamps" or "doors", said by voices of `speech.py`: `python specs/data/spoken_orders.py`, with
the program `espeak-ng`."""

import csv
import random
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
from speech import RATE, in_a_room, voices

HERE = Path(__file__).parent
WORDS = (  # the first two may be left out
    ("", "two", "three", "four", "five", "six", "seven"),
    ("", "red", "green", "blue", "black", "white", "yellow"),
    ("apples", "bottles", "candles", "doors", "keys", "lamps"),
)
VOICES, EACH = 48, 14


def main() -> None:
    folder = HERE / "spoken_orders"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    orders = [" ".join(filter(None, words)) for words in product(*WORDS)]
    draw, rng = random.Random(2), np.random.default_rng(2)
    with (HERE / "spoken_orders.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("file", "voice", "order"))
        for voice in voices(VOICES, seed=2):
            for number, order in enumerate(draw.sample(orders, EACH)):
                name = f"{voice.name}_{number:02}.mp3"
                heard = in_a_room(voice.say(order), rng, pause=0.1)
                soundfile.write(folder / name, heard, RATE, bitrate_mode="CONSTANT", compression_level=0.9)
                rows.writerow((name, voice.name, order))


if __name__ == "__main__":
    main()
