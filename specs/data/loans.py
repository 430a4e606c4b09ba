"""Draws `loans.csv`, loans and whether they were paid back: `python specs/data/loans.py`.

Applicants without work tend to leave the field of their work empty, so a missing value says something."""

from pathlib import Path

import numpy as np

ROWS = 3000
WORK = ("salaried", "self-employed", "retired", "none")
PURPOSES = ("car", "house", "studies", "travel")


def main() -> None:
    rng = np.random.default_rng(9)
    work, purpose = rng.choice(4, ROWS, p=(0.5, 0.15, 0.15, 0.2)), rng.choice(4, ROWS)
    income = np.round(np.exp(rng.normal((3.4, 3.4, 3.2, 3.0), 0.4, (ROWS, 4))[np.arange(ROWS), work]), 1)
    amount = np.round(np.exp(rng.normal((2.2, 3.0, 2.6, 1.5), 0.5, (ROWS, 4))[np.arange(ROWS), purpose]), 1)
    score = 2.2 - 2.6 * (work == 3) - 0.8 * (work == 1) + 0.9 * np.log(income / amount) - (purpose == 3)
    paid = rng.random(ROWS) < 1 / (1 + np.exp(-score))
    no_work = rng.random(ROWS) < np.where(work == 3, 0.8, 0.05)
    no_purpose, no_income = rng.random((2, ROWS)) < 0.1
    lines = ["work,purpose,income,amount,paid"] + [
        f"{'' if no_work[n] else WORK[work[n]]},{'' if no_purpose[n] else PURPOSES[purpose[n]]},"
        f"{'' if no_income[n] else income[n]},{amount[n]},{'yes' if paid[n] else 'no'}"
        for n in range(ROWS)
    ]
    Path(__file__).with_name("loans.csv").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
