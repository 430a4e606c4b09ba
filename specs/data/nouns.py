"""Writes `nouns.npz` and `nouns_test.npz`, a graph of nouns of WordNet:
`python specs/data/nouns.py data.noun`, with the file of that name of WordNet 3.1. Its licence is in
`licenses/wordnet.txt`.

A node is a noun in one meaning: for the 400 most frequent words of all definitions, whether its own has them.
Nodes are linked if the dictionary says that one is a kind of the other, or a part, a member and so on, or if
they are the same. Both files have the whole graph; `kind` is empty where it is not asked for. The first file
asks for 20 nodes of each kind, the second for the others."""

import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KINDS = {"04": "act", "05": "animal", "06": "artifact", "10": "communication", "14": "group",
         "15": "location", "17": "object", "18": "person"}  # fmt: skip
EACH, LABELLED, WORDS = 90, 20, 400
COMMON = """and any are but can especially etc for from has have having her his into its not often one other
    out she some something someone than that the their them these they this through used usually was were when
    which who with you your"""


@dataclass
class Noun:
    name: str
    kind: str
    links: set[str]
    words: set[str]


def noun(line: str) -> Noun:
    """The noun of `OFFSET KIND n COUNT (WORD ID)... COUNT (SIGN OFFSET PART PLACE)... | MEANING`."""
    entry, gloss = line.split("|", 1)
    fields = entry.split()
    pointers = fields[5 + 2 * int(fields[3], 16) :]
    links = {offset for offset, part in zip(pointers[1::4], pointers[2::4], strict=True) if part == "n"}
    words = set(re.findall("[a-z]{3,}", gloss.split('; "')[0].lower())) - {*COMMON.split()}
    return Noun(fields[4], KINDS[fields[1]], links, words)


def linked(nouns: dict[str, Noun]) -> dict[str, Noun]:
    """The nouns, with the links among them, without those that have none."""
    among = {key: Noun(n.name, n.kind, n.links & nouns.keys() - {key}, n.words) for key, n in nouns.items()}
    return {key: n for key, n in among.items() if n.links}


def chosen(nouns: dict[str, Noun]) -> dict[str, Noun]:
    """The nouns of each kind with the most links."""
    order = sorted(nouns, key=lambda key: (-len(nouns[key].links), key))
    first = [[key for key in order if nouns[key].kind == kind][:EACH] for kind in KINDS.values()]
    return linked({key: nouns[key] for key in sorted(key for keys in first for key in keys)})


def main(path: Path) -> None:
    lines = [line for line in path.read_text("latin-1").splitlines() if not line.startswith(" ")]
    entries = {line.split()[0]: line for line in lines if line.split()[1] in KINDS}
    nouns = chosen(linked({key: noun(line) for key, line in entries.items()}))
    counts = Counter(word for n in nouns.values() for word in sorted(n.words))
    words = [word for word, _ in counts.most_common(WORDS)]
    kinds = np.array([n.kind for n in nouns.values()])
    learnt = np.zeros(len(nouns), bool)
    order = np.random.default_rng(1).permutation(len(nouns))
    for kind in KINDS.values():
        learnt[[k for k in order if kinds[k] == kind][:LABELLED]] = True
    graph = {
        "words": np.array([[word in n.words for word in words] for n in nouns.values()]),
        "linked": np.array([[a == b or a in n.links or b in nouns[a].links for a in nouns]
                            for b, n in nouns.items()]),
    }  # fmt: skip
    for name, asked in {"nouns": learnt, "nouns_test": ~learnt}.items():
        kind = np.where(asked, kinds, "")
        arrays = {key: array[None] for key, array in {**graph, "kind": kind}.items()}
        np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
