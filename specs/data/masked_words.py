"""Writes `masked_words.parquet` and `masked_words_test.parquet`, definitions of WordNet with masked words:
`python specs/data/masked_words.py FOLDER`, with the folder of the files `data.noun`, `data.verb`, `data.adj`
and `data.adv` of WordNet 3.1. Its licence is in `licenses/wordnet.txt`.

A row is a definition, `[SEP]`, and an example of its use if there is one. In `words`, masked words are
`[MASK]` and rare ones `[UNK]`. `types` is 0 for the definition and 1 for the example. `word` has the words
that were masked, and `_` in all other places. Each text of the training rows is there several times, with
other words masked."""

import random
import re
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

KNOWN = 1_000  # words
TEXTS, TEST = 11_000, 1_000
COPIES = 3
MASKED = 0.3  # of the known words of a text
DEFINITION, EXAMPLE = (4, 14), (3, 10)  # words

Text = tuple[list[str], list[str]]


def cut(text: str) -> list[str]:
    """Words and punctuation."""
    return re.findall(r"[a-z0-9]+(?:[.'-][a-z0-9]+)*|\S", text.lower())


def entries(path: Path) -> list[tuple[list[str], list[list[str]]]]:
    """The first definition of each entry, and its examples."""
    glosses = (line.split("|", 1)[1] for line in path.read_text("latin-1").splitlines() if line[0] != " ")
    found = ((cut(gloss.split(";")[0]), re.findall(r'"([^"]+)"', gloss)) for gloss in glosses)
    return [
        (definition, [cut(text) for text in texts]) for definition, texts in found if '"' not in definition
    ]


def fits(text: list[str], limits: tuple[int, int], unknown: float, known: set[str]) -> bool:
    """Whether the text is neither too short nor too long, and has few unknown words."""
    return limits[0] <= len(text) <= limits[1] and sum(w not in known for w in text) <= unknown * len(text)


def texts(folder: Path) -> tuple[list[Text], set[str]]:
    """Different definitions, each with an example if one fits, and the most frequent words."""
    found = [
        entry for ending in ("noun", "verb", "adj", "adv") for entry in entries(folder / f"data.{ending}")
    ]
    counts = Counter(
        word for definition, examples in found for text in (definition, *examples) for word in text
    )
    known = {word for word, _ in counts.most_common(KNOWN)}
    fitting = {}
    for definition, examples in found:
        example = next((text for text in examples if fits(text, EXAMPLE, 0.25, known)), [])
        if fits(definition, DEFINITION, 0.25 if example else 0.15, known):
            fitting[" ".join(definition)] = (definition, example)
    return list(fitting.values()), known


def masked(text: Text, known: set[str], rng: random.Random) -> tuple[list[str], list[int], list[str]]:
    definition, example = ([w if w in known else "[UNK]" for w in part] for part in text)
    words = [*definition, "[SEP]", *example]
    types = [0] * (len(definition) + 1) + [1] * len(example)
    places = [place for place, word in enumerate(words) if word in known]
    hidden = {*rng.sample(places, max(1, round(MASKED * len(places))))}
    return (
        ["[MASK]" if place in hidden else word for place, word in enumerate(words)],
        types,
        [word if place in hidden else "_" for place, word in enumerate(words)],
    )


def write(name: str, rows: list[tuple[list[str], list[int], list[str]]]) -> None:
    words, types, word = zip(*rows, strict=True)
    texts = {"words": [*map(" ".join, words)], "word": [*map(" ".join, word)]}
    table = pa.table(texts | {"types": pa.array(types, pa.list_(pa.int8()))})
    pq.write_table(table, Path(__file__).with_name(name), compression="zstd", compression_level=19)


def main(folder: Path) -> None:
    rng = random.Random(1)
    found, known = texts(folder)
    chosen = rng.sample(found, TEXTS)
    rows = [masked(text, known, rng) for text in chosen[TEST:] for _ in range(COPIES)]
    rng.shuffle(rows)
    write("masked_words.parquet", rows)
    write("masked_words_test.parquet", [masked(text, known, rng) for text in chosen[:TEST]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
