"""Trains `emoji_encoder.safetensors`, which `few_pictures.dl` builds on:
`python specs/data/emoji_encoder.py`."""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
TEXT = """
# Which emoji is it? Each has the drawings of two vendors. None of them is in the rows of `few_pictures.dl`.
import encoder from "few_pictures.dl"

input  picture: uint8[3, 32, 32]
output emoji: class(COUNT)

colors = 1 - picture / 255 -> color_jitter(hue=0.1)

colors
  -> random_flip -> random_crop(32, padding=3)
  -> encoder -> maxpool(2) -> conv(128, 3, padding=1, bias=false) -> batchnorm -> relu
  -> global_avgpool -> dropout(0.2) -> dense(COUNT) -> emoji

train {
  optimizer = adamw(lr=0.005, weight_decay=0.05)
  schedule  = cosine
  batch     = 32
  epochs    = 30
}
"""


def picture(path: Path) -> np.ndarray:
    """A drawing on white."""
    drawing = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", drawing.size, "white")
    return np.asarray(Image.alpha_composite(white, drawing).convert("RGB")).transpose(2, 0, 1)


def main() -> None:
    from pretraining import train

    folders = HERE / "emoji" / "google", HERE / "emoji" / "twitter"
    names = sorted(path.relative_to(folders[0]) for path in folders[0].glob("*/*.png"))
    rows = {
        "picture": np.stack([picture(folder / name) for folder in folders for name in names]),
        "emoji": np.tile(np.arange(len(names)), 2),
    }
    train(TEXT.replace("COUNT", str(len(names))), rows, "encoder", "emoji_encoder.safetensors")


if __name__ == "__main__":
    main()
