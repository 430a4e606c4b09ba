"""Trains `encoder.safetensors`, which `transfer.dl` builds on: `python specs/data/encoder.py`."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TEXT = """
# The class of each of 8 x 8 positions, in other images than those that `transfer.dl` is tested on.
import encoder from "transfer.dl"

input  picture: uint8[1, 16, 16]
output mask: class(4)[8, 8]

picture / 255 -> encoder -> conv(4, 1) -> mask

train {
  optimizer = adamw(lr=5e-3)
  schedule  = cosine
  epochs    = 25
}
"""


def main() -> None:
    from pretraining import train
    from shapes import draw

    rng = np.random.default_rng(1)
    pictures, masks = map(np.stack, zip(*(draw(rng) for _ in range(600)), strict=True))
    noisy = (pictures + rng.normal(0, 8, pictures.shape)).clip(0, 255).round().astype(np.uint8)
    rows = {"picture": noisy[:, None], "mask": masks[:, ::2, ::2].astype(np.int64)}
    train(TEXT, rows, "encoder", "encoder.safetensors")


if __name__ == "__main__":
    main()
