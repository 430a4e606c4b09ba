"""`dlc report` of models that answer numbers and sequences, against computations written apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pages import ReadPage, report
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

import dlc

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """input  x: float[3]
output level: float
output both: float[2]
x -> dense(4) -> tanh -> dense(1) -> level
x -> dense(2) -> both
data {
  source = csv("train.csv")
  x      = columns("a", "b", "c")
  both   = columns("up", "down")
  test   = csv("test.csv")
}
train { epochs = 5 }
"""


def write_csv(path: Path, seed: int, count: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 3)).round(4)
    level = 1000 + 3 * x[:, 0] - x[:, 1] ** 2
    table = np.column_stack([x, level, x[:, 0] + x[:, 2], 5 * x[:, 1] + random.normal(size=count)]).round(4)
    np.savetxt(path, table, "%.4f", ",", header="a,b,c,level,up,down", comments="")
    return table


def test_errors_are_those_of_sklearn_and_the_worst_rows_have_the_largest(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", 0, 150)
    table = write_csv(tmp_path / "test.csv", 1, 80)
    (tmp_path / "f.dl").write_text(SPEC, "utf-8")
    folder = dlc.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu").folder
    report(folder)
    page = ReadPage.at(folder / "report.html")
    found = dlc.load(folder).predict({"x": table[:, :3].astype(np.float32)})
    truth = table[:, 3:].astype(np.float32).astype(np.float64)
    answers = np.column_stack([found["level"], found["both"]]).astype(np.float64)
    shown = [*page.tables["Errors"][1:], *page.tables["Errors 2"][1:]]
    assert [row[0] for row in shown] == ["level", "up", "down"]
    for place, row in enumerate(shown):
        true, answered = truth[:, place], answers[:, place]
        expected = (
            mean_absolute_error(true, answered), root_mean_squared_error(true, answered),
            float(np.mean(answered - true)), r2_score(true, answered),
        )  # fmt: skip
        assert row[1] == "80"
        assert [float(cell) for cell in row[2:]] == pytest.approx(expected, rel=1e-2, abs=1e-4)
    quantiles = np.quantile(answers[:, 0] - truth[:, 0], (0.05, 0.25, 0.5, 0.75, 0.95))
    residuals = page.tables["Residuals below which a share of them is"][1]
    assert [float(cell) for cell in residuals[1:]] == pytest.approx(quantiles.tolist(), rel=1e-2)
    error = np.abs(answers[:, 0] - truth[:, 0])
    worst = [f"row {n + 1} (line {n + 2})" for n in np.argsort(-error, kind="stable")[:10]]
    own = page.cards[: len(page.cards) // 2]
    assert [card["place"] for card in own] == worst
    first = int(np.argmax(error))
    a, b, c = table[first, :3]
    assert own[0]["x"] == f"a {np.float32(a):.5g}, b {np.float32(b):.5g}, c {np.float32(c):.5g}"
    assert float(own[0]["true"]) == pytest.approx(truth[first, 0], rel=1e-4)


SEQUENCES = """input  word: class(auto)[S]
output said: class(auto)[T]
memory = word -> embedding(8) -> gru(12)
net speak(before, memory) {
  h = before -> embedding(8) -> gru(12)
  return (h, h -> attention(memory, heads=1)) -> concat(axis=-1) -> dense(said.classes)
}
speak(shift(said.target), memory) -> said
data {
  source = csv("train.csv")
  test   = csv("test.csv")
}
train {
  epochs  = 3
  metrics = [edit_distance]
}
export { decode = greedy(said, max=8) }
"""


def distance(a: str, b: str) -> int:
    """The Levenshtein distance by its recursion."""
    known: dict[tuple[int, int], int] = {}

    def of(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        if (i, j) not in known:
            same = a[i - 1] == b[j - 1]
            known[i, j] = min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (not same))
        return known[i, j]

    return of(len(a), len(b))


def test_edits_of_decoded_answers_are_counted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name, count in (("train", 120), ("test", 40)):
        words = ["".join(random.choice([*"abc"], random.integers(1, 6))) for _ in range(count)]
        lines = [f"{word},{word.upper()[::-1]}" for word in words]
        (tmp_path / f"{name}.csv").write_text("\n".join(["word,said", *lines]) + "\n", "utf-8")
    (tmp_path / "f.dl").write_text(SEQUENCES, "utf-8")
    folder = dlc.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu").folder
    report(folder)
    page = ReadPage.at(folder / "report.html")
    pairs = [line.split(",") for line in (tmp_path / "test.csv").read_text().splitlines()[1:]]
    answers = dlc.load(folder).predict({"word": [word for word, _ in pairs]})["said"]
    edits = [distance(answer, said) for answer, (_, said) in zip(answers, pairs, strict=True)]
    _, *body = page.tables["Edits in numbers"]
    assert [int(n) for _, n in body] == [edits.count(n) for n in range(10)] + [sum(e >= 10 for e in edits)]
    assert f"An answer needs {np.mean(edits):.4f} edits on average" in page.text
    shares = [e / len(said) for e, (_, said) in zip(edits, pairs, strict=True)]
    worst = np.argsort([-s for s in shares], kind="stable")[0]
    card = page.cards[0]
    assert card["place"] == f"row {worst + 1} (line {worst + 2})"
    assert card["true"] == pairs[worst][1]
    assert card["answered"] == (answers[worst] or "(empty)")
    assert card["word"] == pairs[worst][0]


WRITING = """input  seen: class(auto)[T]
output next: class(auto)[T]
seen -> embedding(8) -> gru(16) -> dense(next.classes) -> next
data {
  source = text("words.txt", window=16)
  test   = 0.2
}
train { epochs = 1 }
export { decode = greedy(next, max=8) }
"""


def test_a_model_that_writes_on_is_shown_writing(tmp_path: Path) -> None:
    text = "abcdefgh-" * 60
    (tmp_path / "words.txt").write_text(text, "utf-8")
    (tmp_path / "f.dl").write_text(WRITING, "utf-8")
    folder = dlc.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu").folder
    report(folder)
    page, model = ReadPage.at(folder / "report.html"), dlc.load(folder)
    assert 0 < len(page.cards) <= 6
    for card in page.cards:
        begun = card["beginning"]
        assert len(begun) == 8
        assert begun + card["the row goes on"] in text
        assert card["the model goes on"] == model.predict({"seen": [begun]})["next"][0]
