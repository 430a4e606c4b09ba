"""Trains `teacher.safetensors`, from which the student of `distillation.dl` learns, on all labels:
`python specs/data/teacher.py`."""

from pathlib import Path

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
    from pretraining import train

    images, labels = parts()
    rows = {"image": images[:TRAIN], "digit": labels[:TRAIN]}
    train(TEXT, rows, "teacher", "teacher.safetensors")


if __name__ == "__main__":
    main()
