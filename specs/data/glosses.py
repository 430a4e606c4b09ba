"""Writes `glosses.csv`, definitions of WordNet and the part of speech of what they define:
`python specs/data/glosses.py FOLDER`, with the folder of the files `data.noun`, `data.verb`, `data.adj` and
`data.adv` of WordNet 3.1. Its licence is in `licenses/wordnet.txt`."""

import csv
import random
import re
import sys
from pathlib import Path

EACH = 2_500
SHORTEST, LONGEST = 3, 16  # words
ENDINGS = {"noun": "noun", "verb": "verb", "adjective": "adj", "adverb": "adv"}


def definition(line: str) -> str:
    """The words and the punctuation of the first definition of an entry, apart."""
    gloss = line.split("|", 1)[1].split(";")[0]
    return " ".join(re.findall(r"[a-z0-9]+(?:[.'-][a-z0-9]+)*|\S", gloss.lower()))


def glosses(path: Path) -> list[str]:
    lines = (line for line in path.read_text("latin-1").splitlines() if not line.startswith(" "))
    found = {definition(line) for line in lines}
    return sorted(text for text in found if SHORTEST <= len(text.split()) <= LONGEST and '"' not in text)


def main(folder: Path) -> None:
    rng = random.Random(1)
    rows = [
        (text, part)
        for part, ending in ENDINGS.items()
        for text in rng.sample(glosses(folder / f"data.{ending}"), EACH)
    ]
    rng.shuffle(rows)
    with Path(__file__).with_name("glosses.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("gloss", "part"))
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
