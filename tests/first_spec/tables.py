"""Tables for the tests of first specs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from benchmarks.tables import rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def customers(folder: Path) -> Path:
    """A German spreadsheet in cp1252: ids, decimal commas, marks of missing values, postal codes, dates."""
    draw = random.Random(1)

    def german(number: float) -> str:
        return f"{number:.2f}".replace(".", ",")

    def lines() -> Iterable[Sequence[object]]:
        for i in range(80):
            size, kind = draw.gauss(0, 1), draw.choice(["rot", "grün", "blau"])
            yield (
                f"{10_000 + i}",
                german(170 + 10 * size),
                "?" if i % 9 == 0 else kind,
                f"2024-01-{1 + i % 28:02d}",
                f"0{1 + i % 3}234",
                "n/a" if i % 11 == 0 else german(100 * size**2),
                german(5 + size),
            )

    names = ["Kunden-Nr", "Größe (cm)", "Farbe", "Datum", "PLZ", "Umsatz in EUR", "Preis"]
    return rows(folder / "kunden.csv", names, lines(), delimiter=";", encoding="cp1252")


def reviews(folder: Path) -> Path:
    """Texts, a number, a class whose name is a word of `data`, and two columns to predict."""
    draw = random.Random(2)
    good, bad = (
        ["great", "fine", "lovely", "good", "superb", "happy"],
        ["awful", "poor", "sad", "bad", "broken", "dull"],
    )

    def lines() -> Iterable[Sequence[object]]:
        for i in range(200):
            fine = draw.random() < 0.6
            text = " ".join(draw.choice(good if fine else bad) for _ in range(6)) + f" item {i % 17}"
            yield (
                text,
                20 + i % 40,
                "web" if i % 3 else "shop",
                draw.gauss(4 if fine else 2, 0.3),
                "yes" if fine else "no",
            )

    return rows(folder / "reviews.csv", ["review", "age", "source", "stars", "returned"], lines())
