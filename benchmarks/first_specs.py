"""What the specs that `dlc new` writes reach, against always the majority class or the mean, and against the
gradient boosting of scikit-learn: the same rows for training, the same rows for the test."""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.one_thread import one_thread
from benchmarks.report import machine, versions
from benchmarks.tables import digits, rows, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PART = "new"
PICTURES = "digits"  # as PNG files
TABLES = ("iris", "penguins", "diabetes", "wine", "phishing", "bananas", "segments", "shuttle")
COLUMNS = ("table", "rows", "measure", "majority class or mean", "first spec", "gradient boosting", "ratio",
           "errors", "training", "within 10 %")  # fmt: skip
SEEDS = 3
TEST = 0.2  # of the rows
WITHIN = 0.9  # of the accuracy or r2 of the boosting
EXACT = 10_000  # rows up to which boosting without histograms is measured too


@dataclass(frozen=True)
class Compared:
    """The scores of a table, one for each seed: accuracy, or r2 of numbers."""

    name: str
    count: int
    measure: str
    ours: Sequence[float]
    boosting: Sequence[float]
    simple: Sequence[float]  # of the majority class or the mean
    seconds: Sequence[float]  # processor time of a training of dlc, export and parity check included

    @property
    def medians(self) -> tuple[float, float, float]:
        return median(self.ours), median(self.boosting), median(self.simple)

    @property
    def errors(self) -> float:
        """The error of the first spec in errors of the boosting: the share of wrong answers, or of the
        variance that is not explained."""
        ours, boosting, _ = self.medians
        return (1 - ours) / max(1 - boosting, 1e-9)

    @property
    def is_within(self) -> bool:
        ours, boosting, _ = self.medians
        return ours >= WITHIN * boosting


def main(names: Sequence[str]) -> int:
    from benchmarks.__main__ import PAGE
    from benchmarks.report import page, sections

    compared = []
    with one_thread():
        for name in names or (*TABLES, PICTURES):
            compared.append(compare(name, SEEDS))
            print(line(compared[-1]), file=sys.stderr, flush=True)
    text = section(compared)
    print(text)
    if not names:
        PAGE.write_text(page(sections(PAGE.read_text("utf-8")) | {PART: text}), "utf-8")
    return int(not met(compared))


def met(compared: Sequence[Compared]) -> bool:
    """Each is better than the simple answer, and half of them come near the boosting."""
    better = all(c.medians[0] > c.medians[2] for c in compared)
    return better and 2 * sum(c.is_within for c in compared) >= len(compared)


def compare(name: str, seeds: int, **settings: Any) -> Compared:
    """Train the first spec of a table, and the boosting, once for each seed. `settings` replace those of the
    spec."""
    from dlc.runtime.first_spec.table import first_spec

    if name == PICTURES:
        return compare_pictures(seeds)
    found: list[tuple[float, float, float, float]] = []
    is_number = False
    with tempfile.TemporaryDirectory() as folder:
        path, target = table(Path(folder), name)
        with path.open(encoding="utf-8", newline="") as file:
            heading, *lines = csv.reader(file)
        for seed in range(seeds):
            train, test = parts([line[heading.index(target)] for line in lines], seed)
            seen = rows(Path(folder) / "train.csv", heading, [lines[i] for i in train])
            unseen = rows(Path(folder) / "test.csv", heading, [lines[i] for i in test])
            text = first_spec(seen, seen.name, [target]).text
            chosen = {"data.test": f'csv("{unseen.name}")'} | settings
            ours, seconds, is_number = trained(text, Path(folder), seed, chosen)
            x, y, classes = as_numbers(heading, [lines[i] for i in [*train, *test]], target)
            boosting, simple = rivals(x, y, classes, len(train), is_number)
            found.append((ours, boosting, simple, seconds))
    ours, boosting, simple, seconds = zip(*found, strict=True)
    return Compared(name, len(lines), "r2" if is_number else "accuracy", ours, boosting, simple, seconds)


def parts(targets: Sequence[str], seed: int) -> tuple[list[int], list[int]]:
    """The numbers of the rows for training and test; classes have equal shares in both."""
    order = np.random.default_rng(seed).permutation(len(targets))
    if len({*targets}) <= 10:
        order = order[np.argsort(np.array(targets)[order], kind="stable")]
    test = np.zeros(len(targets), bool)
    test[order[:: round(1 / TEST)]] = True
    return np.flatnonzero(~test).tolist(), np.flatnonzero(test).tolist()


def compare_pictures(seeds: int) -> Compared:
    """Train the first spec of the digits as pictures, and the boosting on their pixels."""
    from sklearn.datasets import load_digits

    from dlc.runtime.first_spec.folder import first_spec_of_folder

    loaded: Any = load_digits()
    x, y = loaded.data, loaded.target
    found: list[tuple[float, float, float, float]] = []
    for seed in range(seeds):
        train, test = parts([*map(str, y)], seed)
        with tempfile.TemporaryDirectory() as folder:
            seen, unseen = digits(Path(folder) / "train", train), digits(Path(folder) / "test", test)
            text = first_spec_of_folder(seen, seen.name, []).text
            chosen = {"data.test": f'images("{unseen.name}")'}
            ours, seconds, _ = trained(text, Path(folder), seed, chosen)
        order = [*train, *test]
        boosting, simple = rivals(x[order], y[order], [], len(train), is_number=False)
        found.append((ours, boosting, simple, seconds))
    ours, boosting, simple, seconds = zip(*found, strict=True)
    return Compared(f"{PICTURES}, pictures", len(y), "accuracy", ours, boosting, simple, seconds)


def trained(text: str, folder: Path, seed: int, settings: dict[str, Any]) -> tuple[float, float, bool]:
    """The test score of a first spec, the seconds of its training, and whether it predicts a number."""
    import dlc

    spec = folder / "train.dl"
    spec.write_text(text, "utf-8")
    chosen = {"data.seed": seed, "train.seed": seed}
    began = time.process_time()
    result = dlc.train(spec, params=chosen | settings, out=folder / "runs", device="cpu")
    seconds = time.process_time() - began
    figures = result.figures["test"]
    is_number = "r2" in figures
    return figures["r2" if is_number else "accuracy"], seconds, is_number


def as_numbers(heading: Sequence[str], lines: Sequence[Sequence[str]],
               target: str) -> tuple[np.ndarray, np.ndarray, list[int]]:  # fmt: skip
    """The inputs as numbers, the targets as text, and the places of the columns of classes, whose values are
    numbered."""
    columns, classes, y = [], [], np.array([])
    for name, cells in zip(heading, zip(*lines, strict=True), strict=True):
        if name == target:
            y = np.array(cells)
            continue
        try:
            columns.append([float(cell or "nan") for cell in cells])
        except ValueError:
            values = sorted({*cells} - {"", "NA"})
            classes.append(len(columns))
            columns.append([values.index(cell) if cell in values else np.nan for cell in cells])
    return np.array(columns, float).T, y, classes


def rivals(x: np.ndarray, y: np.ndarray, classes: list[int], train: int,
           is_number: bool) -> tuple[float, float]:  # fmt: skip
    """The test scores of the better boosting, and of the majority class or the mean. The first rows are those
    of the training."""
    y = y.astype(float) if is_number else y
    scores = [score(model.fit(x[:train], y[:train]).predict(x[train:]), y[train:])
              for model in boostings(is_number, classes, len(y), bool(np.isnan(x).any()))]  # fmt: skip
    values, counts = np.unique(y[:train], return_counts=True)
    simple = np.full(len(y) - train, y[:train].mean() if is_number else values[counts.argmax()])
    return max(scores), score(simple, y[train:])


def boostings(is_number: bool, classes: list[int], count: int, misses: bool) -> Iterator[Any]:
    """The boosting of scikit-learn with its defaults: with histograms, and where it is possible, without."""
    from sklearn import ensemble

    kind = "Regressor" if is_number else "Classifier"
    histograms = getattr(ensemble, f"HistGradientBoosting{kind}")
    yield histograms(random_state=0, categorical_features=classes or None)
    if count <= EXACT and not misses:
        yield getattr(ensemble, f"GradientBoosting{kind}")(random_state=0)


def score(answers: np.ndarray, targets: np.ndarray) -> float:
    """The accuracy, or r2 of numbers."""
    if targets.dtype.kind != "f":
        return float((answers == targets).mean())
    return float(1 - ((answers - targets) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


# --- the section of the page ------------------------------------------------------------------------------


def section(compared: Sequence[Compared]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|--:|---|--:|--:|--:|--:|--:|--:|---|", *map(line, compared)]
    where = f"Measured on {date.today().isoformat()}: {machine()}; {versions()}."
    near = sum(c.is_within for c in compared)
    said = f"{near} of {len(compared)} are within 10 % of the accuracy or r2 of the boosting or better, "
    said += f"{sum(c.errors <= 1.1 for c in compared)} within 10 % of its errors."
    return "\n\n".join(["\n".join(lines), said, where])


def line(c: Compared) -> str:
    ours, boosting, simple = c.medians
    errors = f"{c.errors:.2f}" if boosting < 1 else "-"
    return (f"| {c.name} | {c.count:_} | {c.measure} | {simple:.3f} | {ours:.3f} | {boosting:.3f} "
            f"| {ours / boosting:.2f} | {errors} | {median(c.seconds):.1f} s "
            f"| {'yes' if c.is_within else 'no'} |")  # fmt: skip
