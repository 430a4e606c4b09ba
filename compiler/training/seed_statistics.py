"""Statistics of a figure over several trainings, for `expect`."""

from __future__ import annotations

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, Reject
from dlc.compiler.training.figures import MeasuredFigure

LARGEST_SEED = 2**31 - 1


class SeedCount(Integer):
    """A number of trainings, at least two."""

    def describe(self) -> str:
        return "a whole number of at least 2"

    def accept(self, value):
        if value in (0, 1) and not isinstance(value, bool):
            message = f"a mean needs at least 2 trainings, found {value}"
            raise Reject(message, code="E0403", help="write the figure alone for one training, or `seeds=5`")
        return super().accept(value)


class SeedStatistic(Definition, family="seed_statistic", what="a statistic of several trainings"):
    pass


class SeedMean(SeedStatistic):
    """The mean of a figure over trainings that differ only in their seed.

    The seeds are that of `train` and those after it: 0 to 4 for `seeds=5`. A phase with a seed of its own
    counts up from that one. Initial weights, the order of the rows, dropout, augmentation and other random
    draws differ; the rows and their split do not. `dlc test` trains all of them, and `dlc train --seeds 5`
    prints the mean and the standard deviation of every figure.
    """

    name = "mean"
    usage = """
    input  flower: float[4]
    output species: class(3)

    flower -> standardize -> dense(16) -> relu -> dense(3) -> species

    data {
      source = builtin("iris")
      test   = 0.2
    }

    expect { mean(test.accuracy, seeds=5) >= 0.9 }
    """

    figure: str = setting("the figure", MeasuredFigure())
    seeds: int = setting("the number of trainings", SeedCount(2, LARGEST_SEED), keyword=True)
