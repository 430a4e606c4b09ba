"""Writes what `similarity_search.dl` reads: `gallery.npz`, 100 digits with their codes; `gallery_rows.npz`,
100 others; and `gallery_encoder.safetensors`, an encoder trained to classify the remaining 1097 digits:
`python specs/data/gallery.py`."""

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
GALLERY, ROWS = 100, 100
TEXT = """
import encoder from "similarity_search.dl"

input  image: uint8[1, 8, 8]
output code: float[16]
output digit: class(10)

code_of = image / 16 -> random_rotate(10) -> random_crop(8, padding=1) -> encoder
code_of -> code
10 * (code_of / norm(code_of)) -> dense(10) -> digit

train {
  loss      = cross_entropy(digit)
  optimizer = adamw(lr=2e-3)
  schedule  = cosine
  epochs    = 40
}
"""


def main() -> None:
    from few_labels import TRAIN, parts
    from pretraining import train

    images, labels = (part[:TRAIN] for part in parts())
    learnt = slice(GALLERY + ROWS, None)
    rows = {"image": images[learnt], "digit": labels[learnt]}
    code = train(TEXT, rows, "encoder", "gallery_encoder.safetensors").predict({"image": images[:GALLERY]})[
        "code"
    ]
    np.savez_compressed(
        HERE / "gallery.npz",
        image=(images[:GALLERY] / 16).astype(np.float32).reshape(GALLERY, -1),
        code=code / np.linalg.norm(code, axis=1, keepdims=True),
        label=np.eye(10, dtype=np.float32)[labels[:GALLERY]],
    )
    rows = slice(GALLERY, GALLERY + ROWS)
    np.savez_compressed(HERE / "gallery_rows.npz", image=images[rows], label=labels[rows])


if __name__ == "__main__":
    main()
