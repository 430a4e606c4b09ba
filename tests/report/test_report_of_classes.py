"""`dlc report` of models that answer classes: its tables are those of scikit-learn on the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pages import ReadPage, report
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import dlc

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["<b>red</b>", "green & 'blue'", "$x_1$"]
SPEC = """# Which of three is it?
input  a, b: float
output kind: class(auto)
(a, b) -> concat -> dense(8) -> relu -> dense(kind.classes) -> kind
data {
  source = csv("train.csv")
  test   = csv("test.csv")
}
train { epochs = 8 }
"""
YES = SPEC.replace("kind: class(auto)", "kind: binary").replace("dense(kind.classes)", "dense(1)")


def rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around three centres that overlap, and which centre it was."""
    random = np.random.default_rng(seed)
    kind = random.integers(0, 3, count)
    return np.array([[0, 0], [1.5, 0], [0, 1.5]])[kind] + random.normal(0, 0.8, (count, 2)), kind


def write_csv(path: Path, points: np.ndarray, words: list[str]) -> None:
    cells = [f'{a:.6f},{b:.6f},"{word}"' for (a, b), word in zip(points, words, strict=True)]
    path.write_text("a,b,kind\n" + "\n".join(cells) + "\n", "utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    for name, seed, count in (("train", 0, 200), ("test", 1, 120)):
        points, kind = rows(seed, count)
        write_csv(folder / f"{name}.csv", points, [NAMES[k] for k in kind])
    (folder / "f.dl").write_text(SPEC, "utf-8")
    return dlc.train(folder / "f.dl", out=folder / "runs", device="cpu").folder


@pytest.fixture(scope="module")
def page(run: Path) -> ReadPage:
    assert report(run).output == f"wrote {run / 'report.html'}\n"
    return ReadPage.at(run / "report.html")


@pytest.fixture(scope="module")
def answers(run: Path) -> dict[str, np.ndarray]:
    points, kind = rows(1, 120)
    points = np.round(points, 6).astype(np.float32)
    found = dlc.load(run / "model.onnx").predict({"a": points[:, 0], "b": points[:, 1]})
    order = sorted(NAMES)
    truth = np.array([order.index(NAMES[k]) for k in kind])
    answered = np.array([order.index(name) for name in found["kind"]])
    return {"truth": truth, "answered": answered, "p": found["kind_probabilities"]}


def test_the_confusion_matrix_is_that_of_sklearn(page: ReadPage, answers: dict[str, np.ndarray]) -> None:
    expected = confusion_matrix(answers["truth"], answers["answered"])
    head, *body = page.tables["Confusion matrix"]
    assert head == ["true \\ answered", *sorted(NAMES)]
    assert [row[0] for row in body] == sorted(NAMES)
    assert [[int(cell) for cell in row[1:]] for row in body] == expected.tolist()
    right = int(np.trace(expected))
    assert f"{right} of 120 answers are right: {100 * right / 120:.1f} %." in page.text


def test_precision_and_recall_are_those_of_sklearn(page: ReadPage, answers: dict[str, np.ndarray]) -> None:
    columns = precision_recall_fscore_support(answers["truth"], answers["answered"], zero_division=np.nan)
    precision, recall, f1, support = columns
    _, *body = page.tables["Precision and recall"]
    for place, row in enumerate(body):
        figures = [f"{x[place]:.4f}" for x in (precision, recall, f1)]
        answered = int((answers["answered"] == place).sum())
        assert row == [sorted(NAMES)[place], str(support[place]), str(answered), *figures]


def test_confusions_are_listed_by_their_number(page: ReadPage, answers: dict[str, np.ndarray]) -> None:
    wrong = [(t, a) for t, a in zip(answers["truth"], answers["answered"], strict=True) if t != a]
    _, *body = page.tables["Confused most often"]
    times = [int(row[2]) for row in body]
    assert times == sorted(times, reverse=True)
    names = sorted(NAMES)
    assert {(names.index(t), names.index(a)): int(n) for t, a, n in body} == {
        p: wrong.count(p) for p in wrong
    }


def test_the_calibration_is_that_of_sklearn(page: ReadPage, answers: dict[str, np.ndarray]) -> None:
    sure, right = answers["p"].max(1), answers["truth"] == answers["answered"]
    share, mean = calibration_curve(right, sure, n_bins=10)
    _, *body = page.tables["Calibration in numbers"]
    assert [row[:2] for row in body] == [[f"{m:.4f}", f"{s:.4f}"] for m, s in zip(mean, share, strict=True)]
    counts = np.array([int(row[2]) for row in body])
    assert counts.sum() == 120
    error = float(np.sum(counts * np.abs(mean - share)) / 120)
    assert f"Expected calibration error: {error:.4f}." in page.text


def test_the_worst_rows_are_those_with_the_least_probability_of_the_truth(
    page: ReadPage, answers: dict[str, np.ndarray]
) -> None:
    truth, answered, p = answers["truth"], answers["answered"], answers["p"]
    of_truth = p[np.arange(120), truth]
    wrong = np.flatnonzero(truth != answered)
    expected = wrong[np.argsort(of_truth[wrong], kind="stable")][:20]
    assert len(expected) == len(page.cards) and len(expected) > 5
    names = sorted(NAMES)
    points, _ = rows(1, 120)
    for place, card in zip(expected, page.cards, strict=True):
        assert card["place"] == f"row {place + 1} (line {place + 2})"
        assert card["verdict"] == "wrong"
        assert card["true"] == f"{names[truth[place]]} ({100 * of_truth[place]:.1f} %)"
        assert card["answered"].startswith(names[answered[place]])
        assert float(card["a"]) == pytest.approx(points[place, 0], rel=1e-4)


def test_binary_answers_are_those_of_sklearn(tmp_path: Path) -> None:
    for name, seed, count in (("train", 0, 200), ("test", 1, 150)):
        points, kind = rows(seed, count)
        write_csv(tmp_path / f"{name}.csv", points, ["true" if k else "false" for k in kind])
    (tmp_path / "f.dl").write_text(YES, "utf-8")
    folder = dlc.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu").folder
    report(folder)
    page = ReadPage.at(folder / "report.html")
    points, kind = rows(1, 150)
    points = np.round(points, 6).astype(np.float32)
    found = dlc.load(folder).predict({"a": points[:, 0], "b": points[:, 1]})
    truth, p = kind > 0, found["kind_probability"]
    cells = [[int(cell) for cell in row[1:]] for row in page.tables["Confusion matrix"][1:]]
    assert cells == confusion_matrix(truth, found["kind"]).tolist()
    share, mean = calibration_curve(truth, p, n_bins=10)
    _, *body = page.tables["Calibration in numbers"]
    assert [row[:2] for row in body] == [[f"{m:.4f}", f"{s:.4f}"] for m, s in zip(mean, share, strict=True)]
    loss = -np.where(truth, np.log(p), np.log1p(-p.astype(np.float64)))
    wrong = np.flatnonzero(found["kind"] != truth)
    worst = wrong[np.argsort(-loss[wrong], kind="stable")][:20]
    assert [card["place"] for card in page.cards] == [f"row {n + 1} (line {n + 2})" for n in worst]
    assert {card["probability of yes"] for card in page.cards} == {f"{100 * p[n]:.1f} %" for n in worst}


def test_masks_are_counted_by_entry_and_shown_as_pictures(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(60, 1, 8, 8)).astype(np.float32)
    masks = (pictures[:, 0] > 0.3).astype(np.int64) + (pictures[:, 0] > 1.2)
    masks[:, 0] = 9
    np.savez(tmp_path / "train.npz", picture=pictures[:30], mask=masks[:30])
    np.savez(tmp_path / "test.npz", picture=pictures[30:], mask=masks[30:])
    spec = """input  picture: float[1, 8, 8]
output mask: class(3, ignore=9)[8, 8]
picture -> conv(4, 1) -> relu -> conv(3, 1) -> mask
data {
  source = npz("train.npz")
  test   = npz("test.npz")
}
train {
  epochs    = 6
  optimizer = adam(lr=0.03)
}
"""
    (tmp_path / "f.dl").write_text(spec, "utf-8")
    folder = dlc.train(tmp_path / "f.dl", out=tmp_path / "runs", device="cpu").folder
    report(folder)
    page = ReadPage.at(folder / "report.html")
    answered = dlc.load(folder).predict({"picture": pictures[30:]})["mask"]
    truth = masks[30:]
    counts = truth != 9
    cells = [[int(cell) for cell in row[1:]] for row in page.tables["Confusion matrix"][1:]]
    assert cells == confusion_matrix(truth[counts], answered[counts], labels=[0, 1, 2]).tolist()
    first = page.cards[0]
    assert all(first[title].startswith("data:image/png;base64,") for title in ("true", "answered", "picture"))
    place = int(first["place"].split()[1]) - 1
    right = int((truth[place] == answered[place])[counts[place]].sum())
    assert first["verdict"] == f"{right} of 56 entries right"
