"""L-BFGS, which looks at the loss several times in a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Keyword, Nothing, Number, OneOf
from dlc.compiler.training.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable


class Lbfgs(Optimizer):
    """Newton's method with a curvature guessed from the last gradients (Liu and Nocedal 1989; torch `LBFGS`).

    A step computes the loss of its batch up to `max_eval` times, with the same draws each time; running
    statistics follow the last. It is meant for `batch = all`. `weight_decay` adds `weight_decay / 2 * w ** 2`
    to what it makes small, which torch's own has not.
    """

    recomputes = True

    lr: float = setting("learning rate", Number(above=0), 1.0, usual=(1e-3, 2))
    max_iter: int = setting("changes of the weights in a step", Integer(1), 20)
    max_eval: int | None = setting("computations of the loss in a step", OneOf(Integer(1), Nothing()), None,
                                   shown="5 / 4 of `max_iter`")  # fmt: skip
    tolerance_grad: float = setting("gradient at which a step ends", Number(minimum=0), 1e-7)
    tolerance_change: float = setting("change of loss or weights at which a step ends",
                                      Number(minimum=0), 1e-9)  # fmt: skip
    history_size: int = setting("gradients that are remembered", Integer(1, 10_000), 100)
    line_search: str | None = setting("how far to go; torch calls it `line_search_fn`",
                                      OneOf(Keyword("strong_wolfe"), Nothing()), None,
                                      shown="`lr` as it is")  # fmt: skip

    def torch(self, optim, weights):
        return self.over(optim, weights)[0]

    def over(self, optim, weights, matrices=(), undecayed=()):
        made = optim.LBFGS(weights, self.lr, max_iter=self.max_iter, max_eval=self.max_eval,
                           tolerance_grad=self.tolerance_grad, tolerance_change=self.tolerance_change,
                           history_size=self.history_size, line_search_fn=self.line_search)  # fmt: skip
        parts = self.parted(weights, undecayed)
        decaying = [w for each, some in parts if each.weight_decay for w in some]
        return [Decaying(made, decaying, self.weight_decay) if decaying else made]


class Decaying:
    """An optimizer of torch that makes small, beside the loss, `decay / 2 * w ** 2`."""

    def __init__(self, made: Any, weights: list[Any], decay: float) -> None:
        self._made, self._weights, self._decay = made, weights, decay
        self.state, self.param_groups = made.state, made.param_groups

    def step(self, closure: Callable[[], Any]) -> Any:
        return self._made.step(lambda: self._decayed(closure()))

    def _decayed(self, loss: Any) -> Any:
        for weight in self._weights:
            if weight.grad is None:
                continue  # as torch's own optimizers leave it
            held = weight.detach()
            weight.grad.add_(held, alpha=self._decay)
            loss = loss + self._decay / 2 * (held * held).sum()
        return loss
