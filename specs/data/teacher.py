"""Trains `teacher.safetensors`, from which the student of `distillation.dl` learns, on all labels:
`python specs/data/teacher.py`."""

from pathlib import Path

from safetensors.numpy import save_file

import dlc

HERE = Path(__file__).parent
TEXT = """
import teacher from "distillation.dl"

input  image: uint8[1, 8, 8]
output digit: class(10)

image / 16 -> random_rotate(10) -> random_crop(8, padding=1) -> teacher -> digit

train {
  optimizer = adamw(lr=2e-3)
  schedule  = cosine
  epochs    = 40
}
"""


def main() -> None:
    from few_labels import TRAIN, parts

    images, labels = parts()
    spec = HERE.parent / "teaching.dl"
    spec.write_text(TEXT, "utf-8")
    try:
        rows = {"image": images[:TRAIN], "digit": labels[:TRAIN]}
        weights = dlc.train(spec, data=rows, out="runs").weights
    finally:
        spec.unlink()
    own = {name.removeprefix("teacher."): w for name, w in weights.items() if name.startswith("teacher.")}
    save_file(own, HERE / "teacher.safetensors")


if __name__ == "__main__":
    main()
