"""Writes `glosses.csv`, definitions of WordNet and the part of speech of what they define, and
`gloss_categories.csv.gz`, definitions and the lexical category (45 classes):
`python specs/data/glosses.py FOLDER`, with the folder of the files `data.noun`, `data.verb`, `data.adj` and
`data.adv` of WordNet 3.1. Its licence is in `licenses/wordnet.txt`."""

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import gzipped

EACH = 2_500
SHORTEST, LONGEST = 3, 16  # words
OF_CATEGORIES, LONGEST_OF_CATEGORIES = 20_000, 24
ENDINGS = {"noun": "noun", "verb": "verb", "adjective": "adj", "adverb": "adv"}
CATEGORIES = (  # by their numbers in the files
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body "
    "noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location "
    "noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process "
    "noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change "
    "verb.cognition verb.communication verb.competition verb.consumption verb.contact verb.creation "
    "verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
)


def definitions(path: Path, longest: int) -> Iterator[tuple[str, str]]:
    """The first definition of each entry, its words and punctuation apart, and its lexical category."""
    categories = CATEGORIES.split()
    for line in path.read_text("latin-1").splitlines():
        if line.startswith(" "):
            continue
        gloss = line.split("|", 1)[1].split(";")[0]
        text = " ".join(re.findall(r"[a-z0-9]+(?:[.'-][a-z0-9]+)*|\S", gloss.lower()))
        if SHORTEST <= len(text.split()) <= longest and '"' not in text:
            yield text, categories[int(line.split()[1])]


def of_parts(folder: Path, rng: random.Random) -> list[tuple[str, str]]:
    rows = [
        (text, part)
        for part, ending in ENDINGS.items()
        for text in rng.sample(sorted({t for t, _ in definitions(folder / f"data.{ending}", LONGEST)}), EACH)
    ]
    rng.shuffle(rows)
    return rows


def of_categories(folder: Path, rng: random.Random) -> list[tuple[str, str]]:
    paths = (folder / f"data.{ending}" for ending in ENDINGS.values())
    found = {row for path in paths for row in definitions(path, LONGEST_OF_CATEGORIES)}
    return rng.sample(sorted(found), OF_CATEGORIES)


def main(folder: Path) -> None:
    here = Path(__file__)
    parts = gzipped.as_csv(("gloss", "part"), of_parts(folder, random.Random(1)))
    here.with_name("glosses.csv").write_bytes(parts)
    gzipped.write("gloss_categories.csv.gz", ("gloss", "category"), of_categories(folder, random.Random(1)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
