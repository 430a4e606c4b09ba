"""The figures of rivals that specs of sequences name: trees that read aligned symbols, counts of words."""

from __future__ import annotations

from collections import Counter
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Symbols = tuple[int, ...]
    Pairs = list[tuple[Symbols, Symbols]]  # of a question and its answer

SPECS = Path(__file__).parents[2] / "specs"
MOST = 3  # symbols of an answer for one of the question
AROUND = 4  # neighbours that a tree sees on each side
OUTSIDE = -2


def pairs(rows: Any, question: str, answer: str, end: int) -> Pairs:
    """The sequences of a part of the data, without the end."""
    found = (list(symbols_of(rows[name])) for name in (question, answer))
    return [(asked, tuple(s for s in wanted if s != end)) for asked, wanted in zip(*found, strict=True)]


def symbols_of(sequences: Any) -> Iterator[Symbols]:
    for start, length in zip(sequences.starts, sequences.lengths, strict=True):
        yield tuple(sequences.values[start : start + length].tolist())


def aligned(rows: Pairs, rounds: int = 4) -> list[tuple[Symbols, list[Symbols]]]:
    """Each question with the part of the answer that belongs to each of its symbols, by the most probable
    alignment of all (expectation maximization with single alignments, begun with how often symbols meet)."""
    cost = costs_of_meetings(rows)
    for _ in range(rounds):
        found = [(asked, parts) for asked, wanted in rows if (parts := cheapest(asked, wanted, cost))]
        together = Counter(pair for asked, parts in found for pair in zip(asked, parts, strict=True))
        alone = Counter(symbol for asked, _ in found for symbol in asked)
        cost = {pair: -log(count / alone[pair[0]]) for pair, count in together.items()}
    return found


def costs_of_meetings(rows: Pairs) -> dict[tuple[int, Symbols], float]:
    """How seldom a symbol of an answer meets one of a question; parts of several are dearer."""
    asked, wanted, both = Counter(), Counter(), Counter()
    for question, answer in rows:
        asked.update({*question})
        wanted.update({*answer})
        both.update((a, b) for a in {*question} for b in {*answer})
    one = {(a, b): -log(count**2 / (asked[a] * wanted[b])) for (a, b), count in both.items()}
    costs: dict[tuple[int, Symbols], float] = {(a, ()): 3.0 for a in asked}
    for question, answer in rows:
        for length in range(1, MOST + 1):
            for part in zip(*(answer[k:] for k in range(length)), strict=False):
                for a in {*question}:
                    if (a, part) not in costs:
                        costs[a, part] = sum(one[a, b] for b in part) + 2 * (length - 1)
    return costs


def cheapest(asked: Symbols, wanted: Symbols, cost: dict[tuple[int, Symbols], float]) -> list[Symbols] | None:
    """The parts of an answer, one for each symbol, whose costs have the least sum."""
    best: dict[int, tuple[float, tuple]] = {0: (0.0, ())}  # by how much of the answer is used
    for symbol in asked:
        longer: dict[int, tuple[float, tuple]] = {}
        for used, (so_far, path) in best.items():
            for length in range(min(MOST, len(wanted) - used) + 1):
                part = wanted[used : used + length]
                costs = so_far + cost.get((symbol, part), 50.0)
                if costs < longer.get(used + length, (float("inf"),))[0]:
                    longer[used + length] = costs, (path, part)
        best = longer
    if len(wanted) not in best:
        return None
    parts, path = [], best[len(wanted)][1]
    while path:
        path, part = path
        parts.append(part)
    return parts[::-1]


def windows(asked: Symbols) -> list[Symbols]:
    """Each symbol with its neighbours."""
    outside = (OUTSIDE,) * AROUND
    padded = outside + asked + outside
    return [padded[k : k + 2 * AROUND + 1] for k in range(len(asked))]


def answers_of_a_tree(train: Pairs, questions: list[Symbols]) -> list[Symbols]:
    """A decision tree for the part of the answer that belongs to a symbol, by its neighbours (the letter to
    sound rules of Black, Lenzo and Pagel 1998)."""
    found = aligned(train)
    parts = sorted({part for _, several in found for part in several})
    numbers = {part: k for k, part in enumerate(parts)}
    encoder = OneHotEncoder(handle_unknown="ignore").fit([w for asked, _ in found for w in windows(asked)])
    tree = DecisionTreeClassifier(random_state=0).fit(
        encoder.transform([w for asked, _ in found for w in windows(asked)]),
        [numbers[part] for _, several in found for part in several],
    )
    said = iter(tree.predict(encoder.transform([w for asked in questions for w in windows(asked)])))
    return [tuple(symbol for _ in asked for symbol in parts[next(said)]) for asked in questions]


def edits(a: Sequence[int], b: Sequence[int]) -> int:
    """The distance of Levenshtein (1966)."""
    row = [*range(len(b) + 1)]
    for k, x in enumerate(a, 1):
        before, row = row, [k]
        for j, y in enumerate(b, 1):
            row.append(min(row[-1] + 1, before[j] + 1, before[j - 1] + (x != y)))
    return row[-1]


def test_edits_are_counted() -> None:
    assert edits("kitten", "sitting") == 3 and edits("", "ab") == 2 and edits("ab", "ab") == 0


def test_parts_are_aligned() -> None:
    """`1` is said as 5, `2` as 6 and 7, and `3` not at all."""
    said = {1: (5,), 2: (6, 7), 3: ()}
    rng = np.random.default_rng(0)
    questions = [tuple(rng.integers(1, 4, rng.integers(1, 6)).tolist()) for _ in range(100)]
    rows = [(q, tuple(s for symbol in q for s in said[symbol])) for q in questions]
    assert all(parts == [said[symbol] for symbol in asked] for asked, parts in aligned(rows))
    assert answers_of_a_tree(rows[:80], questions[80:]) == [wanted for _, wanted in rows[80:]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "question", "answer"),
    [
        (("number_words",), "words", "digits"),
        (("pronounce_gru", "pronounce_transformer"), "spelling", "phonemes"),
    ],
)
def test_the_figures_of_a_tree(names: tuple[str, ...], question: str, answer: str) -> None:
    program, *others = (dlc.compile(SPECS / f"{name}.dl") for name in names)
    data = open_data(program, None)
    assert data.test is not None
    for other in others:  # the same rows
        again = open_data(other, None)
        assert again.test is not None
        assert np.array_equal(again.test[question].values, data.test[question].values)
    end = max(int(symbol) for symbol in data.train[answer].values)
    train, test = (pairs(rows, question, answer, end) for rows in (data.train, data.test))
    found = answers_of_a_tree(train, [asked for asked, _ in test])
    distances = [edits(said, wanted) for said, (_, wanted) in zip(found, test, strict=True)]
    for params in (program.compiled.params, *(other.compiled.params for other in others)):
        assert params["tree"] == pytest.approx(np.mean([d == 0 for d in distances]), abs=0.005)
        if "edits_of_tree" in params:
            assert params["edits_of_tree"] == pytest.approx(np.mean(distances), abs=0.01)


def kneser_ney(text: list[int], order: int) -> Callable[..., float]:
    """The probability of the last of some symbols after the others, from their counts in a text, with three
    discounts an order (Chen and Goodman 1999): counts of shorter ones are of the symbols before them."""
    counts = {order: Counter(zip(*(text[k:] for k in range(order)), strict=False))}
    for n in range(order - 1, 0, -1):
        counts[n] = Counter(symbols[1:] for symbols in counts[n + 1])
    discounts = {n: discounts_of(Counter(of.values())) for n, of in counts.items()}
    totals: Counter[tuple[int, ...]] = Counter()
    taken: dict[tuple[int, ...], float] = {}
    for n, of in counts.items():
        for symbols, count in of.items():
            totals[symbols[:-1]] += count
            taken[symbols[:-1]] = taken.get(symbols[:-1], 0.0) + discounts[n][min(count, 3)]
    kinds = len({*text})

    def probability(*symbols: int) -> float:
        if not symbols:
            return 1 / kinds
        before, less = symbols[:-1], probability(*symbols[1:])
        if not totals[before]:
            return less
        count = counts[len(symbols)][symbols]
        kept = max(0.0, count - discounts[len(symbols)][min(count, 3)])
        return (kept + taken[before] * less) / totals[before]

    return probability


def discounts_of(times: Counter[int]) -> list[float]:
    """What is taken of counts of 0, 1, 2, and of 3 and more."""
    if not all(times[k] for k in (1, 2, 3)):
        return [0.0, 0.5, 0.5, 0.5]  # too few to tell
    once = times[1] / (times[1] + 2 * times[2])
    return [0.0, *(k - (k + 1) * once * times[k + 1] / times[k] for k in (1, 2, 3))]


def test_probabilities_add_up_to_one() -> None:
    text = np.random.default_rng(0).geometric(0.2, 3000).clip(max=12).tolist()
    for order in (1, 2, 3):
        probability = kneser_ney(text, order)
        for before in (text[10 : 9 + order], [12] * (order - 1)):
            assert sum(probability(*before, symbol) for symbol in {*text}) == pytest.approx(1)


@pytest.mark.parametrize("order", [3, 5])
def test_the_perplexity_of_counted_words(order: int) -> None:
    """Counts of five words are the rival, and better than those of three."""
    program = dlc.compile(SPECS / "word_lstm.dl")
    data = open_data(program, None)
    assert data.test is not None
    train, test = (np.concatenate(rows["seen"]).tolist() for rows in (data.train, data.test))
    probability = kneser_ney(train, order)
    surprises = [-log(probability(*test[k - order : k])) for k in range(order, len(test) + 1)]
    found, rival = exp(np.mean(surprises)), program.compiled.params["kneser_ney"]
    assert rival == pytest.approx(found, rel=0.01) if order == 5 else rival < found
