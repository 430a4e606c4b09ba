"""Writes `gloss_text.txt`, the definitions of `gloss_categories.csv.gz` as one text, for models of language:
`python specs/data/gloss_text.py`. Each ends with `;`, and rare words are `UNKNOWN`."""

import csv
import gzip
from collections import Counter
from pathlib import Path

FEWEST = 8  # times that a word has to occur


def main() -> None:
    here = Path(__file__)
    with gzip.open(here.with_name("gloss_categories.csv.gz"), "rt", encoding="utf-8", newline="") as file:
        glosses = [row["gloss"].split() for row in csv.DictReader(file)]
    times = Counter(word for gloss in glosses for word in gloss)
    lines = (
        " ".join(word if times[word] >= FEWEST else "UNKNOWN" for word in gloss) + " ;\n" for gloss in glosses
    )
    here.with_name("gloss_text.txt").write_text("".join(lines), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
