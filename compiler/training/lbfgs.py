"""L-BFGS, which evaluates the loss several times per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Integer, Keyword, Nothing, Number, OneOf
from dlc.compiler.training.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable


class Lbfgs(Optimizer):
    """Quasi-Newton method with the curvature estimated from the last gradients (Liu and Nocedal 1989;
    torch `LBFGS`).

    A step computes the loss of its batch up to `max_eval` times, with the same random draws each time;
    running statistics are updated by the last. It is intended for `batch = all`. `weight_decay` adds
    `weight_decay / 2 * w ** 2` to the loss; the optimizer of torch has no weight decay.
    """

    recomputes = True

    lr: float = setting("learning rate", Number(above=0), 1.0, usual=(1e-3, 2))
    max_iter: int = setting("updates of the weights per step", Integer(1), 20)
    max_eval: int | None = setting("evaluations of the loss per step", OneOf(Integer(1), Nothing()), None,
                                   shown="5 / 4 of `max_iter`")  # fmt: skip
    tolerance_grad: float = setting("gradient at which a step ends", Number(minimum=0), 1e-7)
    tolerance_change: float = setting("change of loss or weights at which a step ends",
                                      Number(minimum=0), 1e-9)  # fmt: skip
    history_size: int = setting("number of gradients that are kept", Integer(1, 10_000), 100)
    line_search: str | None = setting("line search, `line_search_fn` in torch",
                                      OneOf(Keyword("strong_wolfe"), Nothing()), None,
                                      shown="a step of size `lr`")  # fmt: skip

    def torch(self, optim, weights):
        return self.over(optim, weights)[0]

    def over(self, optim, weights, matrices=(), undecayed=()):
        lbfgs = optim.LBFGS(weights, self.lr, max_iter=self.max_iter, max_eval=self.max_eval,
                            tolerance_grad=self.tolerance_grad, tolerance_change=self.tolerance_change,
                            history_size=self.history_size, line_search_fn=self.line_search)  # fmt: skip
        parts = self.split_by_decay(weights, undecayed)
        decaying = [w for each, some in parts if each.weight_decay for w in some]
        return [WithDecay(lbfgs, decaying, self.weight_decay) if decaying else lbfgs]


class WithDecay:
    """A torch optimizer that adds `decay / 2 * w ** 2` to the loss."""

    def __init__(self, optimizer: Any, weights: list[Any], decay: float) -> None:
        self._optimizer, self._weights, self._decay = optimizer, weights, decay
        self.state, self.param_groups = optimizer.state, optimizer.param_groups

    def step(self, closure: Callable[[], Any]) -> Any:
        return self._optimizer.step(lambda: self._add_decay(closure()))

    def _add_decay(self, loss: Any) -> Any:
        for weight in self._weights:
            if weight.grad is None:
                continue  # as in torch's own optimizers
            detached = weight.detach()
            weight.grad.add_(detached, alpha=self._decay)
            loss = loss + self._decay / 2 * (detached * detached).sum()
        return loss
