"""Writes `pronunciations.csv.gz`, English words and how they sound:
`python specs/data/pronunciations.py FILE`, with the file `index.js` of the npm package
`cmu-pronouncing-dictionary` (3.0.0), the dictionary of Carnegie Mellon University. The licences of both are
in `licenses/cmudict.txt`."""

import random
import re
import sys
from pathlib import Path

import gzipped

WORDS = 20_000
ENTRY = re.compile(r'^  "?([a-z]{3,12})"?: "([A-Z0-9 ]+)"', re.MULTILINE)


def entries(path: Path) -> list[tuple[str, str]]:
    """Words of letters alone and their phonemes, those of vowels with stress; the first of several."""
    return sorted(ENTRY.findall(path.read_text("utf-8")))


def main(path: Path) -> None:
    rows = random.Random(1).sample(entries(path), WORDS)
    gzipped.write("pronunciations.csv.gz", ("spelling", "phonemes"), rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
