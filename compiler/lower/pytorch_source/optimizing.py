"""The optimizers of a file, and a step that they take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import family
from dlc.compiler.lower.pytorch_source.code import Code, inline, lines, text
from dlc.compiler.lower.pytorch_source.forms import Written, argument
from dlc.compiler.passes import specialize
from dlc.compiler.passes.loss_means import cut_at_means
from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.lower.pytorch_source.data import Rows
    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "
KERNELS = ("fused", "foreach")  # how PyTorch computes is left to it


class Weights(Written):
    """Some of the weights, by a name in the file."""

    device = SimpleNamespace(type="")


@record(eq=False)
class Made:
    """An optimizer of `torch.optim`, as one of dlc's makes it."""

    name: str
    weights: list[Any]
    given: tuple[Any, ...]
    named: dict[str, Any]


class Optim:
    """What optimizers call `optim`."""

    def __init__(self) -> None:
        self.made: list[Made] = []

    def __getattr__(self, name: str) -> Any:
        def make(weights: list[Any], *given: Any, **named: Any) -> Any:
            kept = {key: value for key, value in named.items() if key not in KERNELS}
            self.made.append(Made(name, weights, given, kept))
            return SimpleNamespace(state={}, param_groups=[])

        return make


def optimizers(e: Emitter) -> list[str]:
    """`optimizer = ...`, or `optimizers = [...]` where some weights have one of their own."""
    program, optim = e.program, Optim()
    trained = specialize.trained(program)
    chosen = {w.name for w in specialize.matrices(specialize.training(program, program.objective))} & {
        w.name for w in trained
    }
    matrices = [Weights(text("matrices"))] if chosen else []
    others = [Weights(text("others"))] if len(chosen) < len(trained) else []
    e.optimizer.over(optim, [*matrices, *others], matrices)
    if len(optim.made) == 1:
        return lines(written(optim.made[0], text("model.parameters()")), 4, "optimizer = ")
    e.several = True
    each = tuple(written(made, made.weights[0]._code) for made in optim.made)
    return [*parted(e, chosen, trained), *lines(Code("list", None, each), 4, "optimizers = ")]


def written(made: Made, weights: Code) -> Code:
    """What is asked otherwise than PyTorch has it; that is what dlc's optimizer of this name has."""
    optim = Optim()
    one: Any = family("optimizer")[made.name.lower()]
    one(lr=made.given[0]).torch(optim, made.weights)
    usual = optim.made[0].named
    asked = {key: value for key, value in made.named.items() if value != usual[key]}
    (rate,) = map(argument, made.given)
    keywords = (Code("named", key, (argument(value),)) for key, value in asked.items())
    return Code(
        "call", None, (text(f"torch.optim.{made.name}"), weights, Code("named", "lr", (rate,)), *keywords)
    )


def parted(e: Emitter, chosen: set[str], trained: list[Any]) -> list[str]:
    """`matrices` and `others`: by their axes where these tell them apart, else by name."""
    if all((w.name in chosen) == (w.value.type.rank == 2) for w in trained):
        return [
            f"{INDENT}matrices = [weight for weight in model.parameters() if weight.ndim == 2]",
            f"{INDENT}others = [weight for weight in model.parameters() if weight.ndim != 2]",
        ]
    names = tuple(text(f'"{own}"') for own, name in e.weight_names.items() if name in chosen)
    others = "weight for name, weight in model.named_parameters() if name not in names"
    return [
        *lines(Code("list", None, names), 4, "names = "),
        f"{INDENT}matrices = [model.get_parameter(name) for name in names]",
        *lines(Code("list", None, (text(others),)), 4, "others = "),
    ]


# --- a step -----------------------------------------------------------------------------------------------


def step(e: Emitter, rows: Rows) -> list[str]:
    """The lines that change the weights by a batch."""
    rates = ["for group in optimizer.param_groups:", f'{INDENT}group["lr"] = rate(step, steps)']
    rates = rates if e.scheduled else []
    if e.optimizer.recomputes:
        return [*rates, *search(e, rows)]
    if not e.several:
        return [*rates, *gradients(e, "optimizer"), "optimizer.step()"]
    each = [f"{INDENT}{line}" for line in (*rates, "optimizer.step()")]
    return [*gradients(e, "model"), "for optimizer in optimizers:", *each]


def gradients(e: Emitter, cleared: str) -> list[str]:
    """Of a batch; of several, the mean over all their rows."""
    loss = "loss = compute_loss(model, *batch)" + (" + penalty(model)" if e.penalizes else "")
    clear = f"{cleared}.zero_grad()"
    total = ["total += loss.item() * len(batch[0])"] if e.totals else []
    if e.program.train.accumulate == 1:
        return [loss, clear, "loss.backward()", *total, *clip(e)]
    check_means(e)
    return [
        "count = sum(len(batch[0]) for batch in together)",
        clear,
        "for batch in together:",
        f"{INDENT}{loss}",
        f"{INDENT}(loss * len(batch[0]) / count).backward()",
        *(f"{INDENT}{line}" for line in total),
        *clip(e),
    ]


def check_means(e: Emitter) -> None:
    """Refuse steps of several batches whose loss is no sum of means over rows."""
    cut = cut_at_means(specialize.training(e.program, e.program.objective), ["loss"])
    if not (cut.is_linear and cut.of_rows):
        span = e.program.train.spans.get("accumulate")
        message = "`accumulate` over a loss that is no sum of means over rows is not emitted"
        raise e.cannot("E0821", span, message, "write a larger `batch` in its place")


def clip(e: Emitter) -> list[str]:
    settings = e.program.train
    if settings.clip is None:
        return []
    utils = Utils()
    settings.clip.torch(utils, Written(text("model.parameters()")))  # type: ignore[arg-type]
    return [inline(code) for code in utils.called]


class Utils:
    """What clipping calls `utils`."""

    def __init__(self) -> None:
        self.called: list[Code] = []

    def __getattr__(self, name: str) -> Any:
        def function(*given: Any) -> None:
            made = Written(text(f"nn.utils.{name}"))(*given)
            self.called.append(made._code)

        return function


def search(e: Emitter, rows: Rows) -> list[str]:
    """A step that computes the loss several times: the same is drawn each time, and running statistics
    move once."""
    program, before, again = e.program, [], []
    if program.train.accumulate > 1:
        span = program.train.spans.get("accumulate")
        raise e.cannot("E0821", span, "`lbfgs` over several batches is not emitted", "write `batch = all`")
    graph = specialize.training(program, program.objective)
    if rows.drawn or any(node.operator.random for node in graph.nodes):
        before.append("drawn = torch.get_rng_state()")
        again.append("torch.set_rng_state(drawn)")
    if any(w.role == "statistic" and not program.train.freezes(w) for w in graph.weights):
        before.append("statistics = [buffer.clone() for buffer in model.buffers()]")
        again += ["for buffer, begun in zip(model.buffers(), statistics):", f"{INDENT}buffer.copy_(begun)"]
    again += [*gradients(e, "optimizer"), *decay(e.optimizer.weight_decay), "return loss"]
    closure = ["def closure():", *(f"{INDENT}{line}" for line in again)]
    return [*before, "", *closure, "", "optimizer.step(closure)"]


def decay(share: float) -> list[str]:
    """Weights made small beside the loss, which L-BFGS of PyTorch has no setting for."""
    if not share:
        return []
    return [
        "for weight in model.parameters():",
        f"{INDENT}if weight.grad is not None:",
        f"{INDENT * 2}weight.grad += {share} * weight.detach()",
        f"{INDENT * 2}loss = loss + {share} / 2 * weight.detach().square().sum()",
    ]
