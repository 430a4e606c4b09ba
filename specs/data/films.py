"""Draws `films.csv`, which viewers liked which films: `python specs/data/films.py`.

Whether a film is liked follows from two rules: how near its style is to the taste of viewers of that age,
which generalizes, and what each occupation thinks of each film, which has to be memorized."""

from pathlib import Path

import numpy as np

OCCUPATIONS = ("artist", "baker", "clerk", "doctor", "driver", "farmer", "lawyer", "miner", "nurse", "pilot")
FILMS, ROWS = 50, 12_000


def main() -> None:
    rng = np.random.default_rng(2)
    year, style = rng.integers(1960, 2025, FILMS), rng.normal(0, 1, FILMS)
    opinion = rng.normal(0, 1.5, (len(OCCUPATIONS), FILMS))
    age, film = rng.integers(12, 80, ROWS), rng.integers(0, FILMS, ROWS)
    occupation = rng.integers(0, len(OCCUPATIONS), ROWS)
    taste = 2 * np.sin(age / 10)
    youth = (year[film] - (2025 - age)) / 10  # decades from the birth of the viewer to the film
    score = 2.5 - (taste - style[film]) ** 2 + 1.5 * np.exp(-((youth - 2) ** 2)) + opinion[occupation, film]
    liked = rng.random(ROWS) < 1 / (1 + np.exp(-score))
    names = [f"film {n + 1}" for n in range(FILMS)]
    lines = ["age,occupation,film,year,liked"] + [
        f"{a},{OCCUPATIONS[o]},{names[f]},{year[f]},{'yes' if y else 'no'}"
        for a, o, f, y in zip(age, occupation, film, liked, strict=True)
    ]
    Path(__file__).with_name("films.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
