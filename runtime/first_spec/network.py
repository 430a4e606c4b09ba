"""The network and its training by the number of rows: a table of sizes, measured on other tables than those
of `python -m benchmarks new`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """What fits tables of up to so many rows. `why` is the reason in few words."""

    rows: float
    width: int
    depth: int
    dropout: float
    decay: float  # weight decay
    rate: float
    batch: int
    steps: int  # of the whole training
    why: str

    def epochs(self, training_rows: int) -> int:
        """Epochs of about so many steps."""
        return min(MAX_EPOCHS, max(MIN_EPOCHS, round(self.steps * self.batch / training_rows)))


MIN_EPOCHS, MAX_EPOCHS = 8, 200
SIZES = (
    Size(2_000, 64, 2, 0.1, 1.0, 2e-3, 32, 2_000, "few rows: a small network, and weights that decay"),
    Size(20_000, 128, 2, 0.1, 0.1, 3e-3, 64, 4_000, "some thousand rows: two layers of 128"),
    Size(float("inf"), 192, 3, 0.1, 0.02, 2e-3, 256, 6_000, "many rows: three wide layers"),
)


def size_for(rows: int) -> Size:
    return next(size for size in SIZES if rows <= size.rows)


def parts(rows: int) -> tuple[float, float]:
    """The shares of validation and test rows: few rows need larger shares, of many rows less is enough."""
    return (0.15, 0.2) if rows < 20_000 else (0.1, 0.1)


def embedding_width(classes: int) -> int:
    """Numbers of a learnt vector for a class: more for more classes."""
    return min(16, max(2, round(1.6 * classes**0.56)))
