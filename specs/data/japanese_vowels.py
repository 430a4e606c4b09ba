"""Writes `japanese_vowels.parquet` and `japanese_vowels_test.parquet`, nine speakers who say a diphthong,
from the package aeon: `python specs/data/japanese_vowels.py`.

A row is a recording, 7 to 29 steps with 12 coefficients (LPC cepstra, here to three decimals), and its
speaker. The parts are those of M. Kudo, J. Toyama and M. Shimbo, Multidimensional curve classification using
passing-through regions, Pattern Recognition Letters 20, 1999; UCI Machine Learning Repository, CC BY 4.0."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from aeon.datasets import load_classification

COEFFICIENTS = 12


def main() -> None:
    for part, name in (("train", "japanese_vowels"), ("test", "japanese_vowels_test")):
        recordings, speakers = load_classification("JapaneseVowels", split=part)
        steps = [np.float32(recording.T.round(3)).tolist() for recording in recordings]
        table = pa.table({
            "recording": pa.array(steps, pa.list_(pa.list_(pa.float32(), COEFFICIENTS))),
            "speaker": pa.array(speakers.astype(int).tolist(), pa.int64()),
        })  # fmt: skip
        path = Path(__file__).with_name(f"{name}.parquet")
        pq.write_table(table, path, compression="zstd", compression_level=19)


if __name__ == "__main__":
    main()
