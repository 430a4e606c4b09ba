"""Marks in the picture: the number of each step or phase at the nets and layers that it trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.show.diagram import DrawnFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.show.diagram import DrawnPart
    from dlc.show.objectives import TrainedPart

COLORS = ("#c2410c", "#1d63b8", "#15803d", "#7e22ce", "#b91c5c", "#0f766e", "#854d0e", "#475569")
RADIUS = 8.5
LEGEND_ROW = 20.0


class Marks:
    """The numbers of the steps and phases that train each part. `legend` has for each its title and what it
    trains; empty if the file has neither."""

    def __init__(self, trained: Sequence[TrainedPart]) -> None:
        self.trained = trained
        self.legend = [(part.title, part.words) for part in trained]

    @property
    def height(self) -> float:
        """The height of the legend."""
        return LEGEND_ROW * len(self.legend)

    def of(self, part: DrawnPart) -> tuple[int, ...]:
        """The numbers at a part, from 0; none at a frame whose parts are trained by different steps."""
        if isinstance(part, DrawnFrame) and not self.is_uniform(part):
            return ()
        return self.numbers(part)

    def within(self, frame: DrawnFrame) -> Marks:
        """The marks of the parts of a frame: none if the frame has marks."""
        return Marks(()) if self.of(frame) else self

    def numbers(self, part: DrawnPart) -> tuple[int, ...]:
        weights = {v.name for step in part.steps for v in step.node.weights.values()}
        weights |= {value.name for value in part.makes}  # of declared weights
        return tuple(n for n, each in enumerate(self.trained) if not weights.isdisjoint(each.weights))

    def is_uniform(self, frame: DrawnFrame) -> bool:
        """Whether the same steps train all parts with weights of a frame, so that one mark is enough."""
        found = {self.numbers(part) for part in frame.parts if self.has_weights(part)}
        return len(found) <= 1 and all(self.is_uniform(p) for p in frame.parts if isinstance(p, DrawnFrame))

    def has_weights(self, part: DrawnPart) -> bool:
        return any(step.node.weights for step in part.steps)


def color_of(number: int) -> str:
    return COLORS[number % len(COLORS)]
