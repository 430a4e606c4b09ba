"""Writes `manual.txt`, Python's manual as `help()` shows it: `python specs/data/manual.py`.
The file was written with Python 3.11.7; its licence is in `licenses/python.txt`."""

from pathlib import Path
from pydoc_data.topics import topics


def main() -> None:
    text = "".join(topics.values())
    text = "".join(character for character in text if character.isascii())
    Path(__file__).with_name("manual.txt").write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
