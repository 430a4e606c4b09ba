"""Writes what `similarity_search.dl` reads: `gallery.npz`, 200 digits with their codes; `gallery_rows.npz`, 500
other digits; and `gallery_encoder.safetensors`, an encoder trained on 797 of the remaining digits, so that codes
of equal digits are near: `python specs/data/gallery.py`."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import dlc

HERE = Path(__file__).parent
GALLERY, ROWS = 200, 500
TEXT = """
import encoder from "similarity_search.dl"

input  image, same, other: uint8[1, 8, 8]
output code: float[16]

block seen(x) {
  return x / 16 -> random_rotate(10) -> random_crop(8, padding=1) -> encoder
}

image / 16 -> encoder -> code

train {
  loss      = triplet(seen(image), seen(same), seen(other))
  optimizer = adamw(lr=2e-3)
  schedule  = cosine
  epochs    = 60
}
"""


def triplets(images: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each image with one of its own label and one of another."""
    alike = labels[:, None] == labels
    same, other = (np.array([rng.choice(np.flatnonzero(row)) for row in rows]) for rows in (alike, ~alike))
    return {"image": images, "same": images[same], "other": images[other]}


def main() -> None:
    from few_labels import TRAIN, parts

    images, labels = (part[:TRAIN] for part in parts())
    learnt = slice(GALLERY + ROWS, None)
    spec = HERE.parent / "triplets.dl"
    spec.write_text(TEXT, "utf-8")
    try:
        rows = triplets(images[learnt], labels[learnt], np.random.default_rng(0))
        result = dlc.train(spec, data=rows, out="runs")
    finally:
        spec.unlink()
    code = dlc.load(result.model).predict({"image": images[:GALLERY]})["code"]
    np.savez_compressed(
        HERE / "gallery.npz",
        image=(images[:GALLERY] / 16).astype(np.float32).reshape(GALLERY, -1),
        code=code / np.linalg.norm(code, axis=1, keepdims=True),
        label=np.eye(10, dtype=np.float32)[labels[:GALLERY]],
    )
    rows = slice(GALLERY, GALLERY + ROWS)
    np.savez_compressed(HERE / "gallery_rows.npz", image=images[rows], label=labels[rows])
    own = {n.removeprefix("encoder."): w for n, w in result.weights.items() if n.startswith("encoder.")}
    save_file(own, HERE / "gallery_encoder.safetensors")


if __name__ == "__main__":
    main()
