"""Gradient check: gradients of each objective, compared with finite differences in float64, by weight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx
from torch.fx.node import map_aggregate

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.lower.initial_weights import check_known, draw
from dlc.compiler.passes.lengths import length_inputs
from dlc.compiler.training.phases import title_of
from dlc.compiler.types import Classes
from dlc.runtime.artifact.samples import draw_lengths, free_sizes, generator, sample, sized
from dlc.runtime.data import InMemoryRows, Rows
from dlc.runtime.data import data_errors as of_data
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.open_rows import open_data
from dlc.runtime.training.finite_differences import STEPS, compare
from dlc.runtime.training.fit import fit
from dlc.runtime.training.torch_forms import Forms
from dlc.runtime.training.training_plan import plan_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.phases import Objective
    from dlc.compiler.types import Tensor
    from dlc.runtime.open_rows import Face
    from dlc.runtime.training.finite_differences import DerivativeCheck
    from dlc.runtime.training.torch_forms import TorchForm

WRONG = "E0810"
GIVE_ROWS = "random rows may not suit it: give some with `--data`"
ROWS = 8  # of the batch
ENTRIES, DIRECTIONS = 10, 2  # of a large weight that are checked
FEW = 2  # rows if the whole check would take more than LARGE multiply-adds; then less is checked
LARGE = 10**11
EVALUATIONS = 100  # approximate number of evaluations of the loss for a weight
NOISE = 0.1  # standard deviation of noise that is added to constant weights: zeros hide errors


@dataclass(frozen=True)
class Checked:
    """The result for one weight: the largest absolute entry of its gradient; the number of entries and of
    random directions that were checked; the largest relative error; the number of checks at a kink; and the
    first wrong derivative."""

    name: str
    shape: tuple[int, ...]
    gradient: float
    entries: int
    directions: int
    error: float
    kinks: int
    wrong: DerivativeCheck | None

    @property
    def whole(self) -> bool:
        return self.entries == int(np.prod(self.shape))


class Check:
    """The gradient check of one program, on rows of its data, or on random rows if there is no data. `parts`
    are the checks of its objectives, in the order of training."""

    def __init__(self, face: Face, data: Any = None, seed: int | None = None) -> None:
        rows, self.lacking = rows_of(face, data)
        program = face.compiled
        if not program.phases:
            raise plan_error("there is no loss, so nothing is trained", program.train,
                             help="give it one, `train { loss = ... }`, or an output whose type implies "
                                  "one")  # fmt: skip
        program = in_float64(program)
        seed = program.train.seed if seed is None else seed
        rng = np.random.default_rng(seed)
        rows = random_rows(program, seed) if rows is None else rows
        drawn = draw(program.graph, seed, tensors_of(program, face.folder))
        weights = fit(program, rows, perturbed(drawn, program, rng))
        forms = [Forms(program, weights, torch.device("cpu"), phase) for phase in program.phases]
        work = sum(each.work * len(each.trained) for each in forms)
        large = work * ROWS * EVALUATIONS > LARGE
        self.rows = min(rows.count or ROWS, FEW if large else ROWS)
        if rows.count and rows.count > self.rows:
            rows = rows.take(np.sort(rng.permutation(rows.count)[: self.rows]))
        self.parts: list[ObjectiveCheck] = []
        for of_phase in forms:
            torch.manual_seed(seed)
            [batch] = of_phase.loader(rows, *of_phase.training).batches([self.rows])
            for form, objective in zip(of_phase.training, of_phase.phase.objectives, strict=True):
                function = BatchObjective(form, form.given(batch), seed)
                self.parts.append(ObjectiveCheck(of_phase, objective, function, rng, large))
        for part in self.parts:
            part.differentiate(GIVE_ROWS if self.lacking else "")


class ObjectiveCheck:
    """The gradient check of one objective, with the weights that it trains. `phase` and `step` are names;
    empty without these sections."""

    def __init__(self, forms: Forms, objective: Objective, function: BatchObjective,
                 rng: np.random.Generator, large: bool) -> None:  # fmt: skip
        self.program, self.objective, self.function = forms.program, objective, function
        self.phase, self.step = forms.phase.name, objective.step
        self.title = title_of(self.phase, self.step)
        self._rng, self._large = rng, large
        used = function.form.graph.weights
        self._trained = {w.name: forms.weights[w.name] for w in objective.trained(used)}
        if not self._trained:
            raise self.program.nothing_to("check", objective)

    @property
    def weights(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the checked weights."""
        return [(name, tuple(weight.shape)) for name, weight in self._trained.items()]

    def differentiate(self, help: str) -> None:
        """Compute the gradients of all weights, or raise an error that says why there are none."""
        value = self.function()
        if not value.requires_grad:
            raise self.program.nothing_to("check", self.objective)
        if not torch.isfinite(value):
            settings = self.objective.settings
            message = "the loss is not finite where training begins"
            raise plan_error(f"{self.title}: {message}" if self.title else message, settings, "loss", help)
        names, tensors = [*self._trained], [*self._trained.values()]
        found = torch.autograd.grad(value, tensors, materialize_grads=True)
        self._gradients = dict(zip(names, found, strict=True))

    def run(self) -> Iterator[Checked]:
        """The results for all trained weights, in the order of the spec."""
        for name, weight in self._trained.items():
            yield self._check(name, weight)

    def _check(self, name: str, weight: torch.Tensor) -> Checked:
        gradient = self._gradients[name]
        size = float(gradient.abs().max())
        entries, directions = (0, 1) if self._large else (ENTRIES, DIRECTIONS)
        if weight.numel() <= entries + directions:
            entries, directions = weight.numel(), 0
        found = []
        for along in self._directions(weight, entries, directions):
            function = self.function.along(weight, along)
            steps = STEPS[2:] if self._large else STEPS  # the first steps usually cross a kink
            found.append(compare(function, float((gradient * along).sum()), size, steps))
        return Checked(name, tuple(weight.shape), size, entries, directions, max(f.error for f in found),
                       sum(f.kink for f in found), next((f for f in found if f.wrong), None))  # fmt: skip

    def _directions(self, weight: torch.Tensor, entries: int, directions: int) -> Iterator[torch.Tensor]:
        """Directions to differentiate along: some entries of the weight, and random directions of norm 1."""
        for place in self._rng.permutation(weight.numel())[:entries]:
            along = torch.zeros(weight.numel(), dtype=torch.float64)
            along[int(place)] = 1
            yield along.reshape(weight.shape)
        for _ in range(directions):
            along = torch.from_numpy(self._rng.standard_normal(tuple(weight.shape)))
            yield along / along.norm()

    def diagnose(self, wrong: Sequence[Checked]) -> Diagnostic:
        """The error: at the first node whose own gradient is wrong, with a wrong weight of this node, or else
        the last wrong weight, which is nearest to it."""
        graph = self.function.form.graph
        name = self.function.first_wrong()
        node = next((n for n in graph.nodes if n.name == name), None)
        own = {v.name for v in node.weights.values()} if node else set()
        worst = next((c for c in wrong if c.name in own), wrong[-1])
        site = node.site if node else next(w.value.site for w in graph.weights if w.name == worst.name)
        what = f"the gradient of `{node.operator.name}` is wrong here" if node else "its gradient is wrong"
        message = (
            f"the gradient of the weight `{worst.name}` differs from finite differences: "
            f"the relative error is {worst.error:.1e}"
        )
        help = "this is an error in the operator, not in the spec: please report it"
        return Diagnostic.at(site, WRONG, message, help, text=what)


def perturbed(
    values: Mapping[str, np.ndarray], program: CompiledProgram, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The weights, with noise added to constant ones."""
    trainable = {w.name for w in program.graph.weights if w.trainable}
    return {
        name: np.asarray(array + NOISE * rng.standard_normal(array.shape), array.dtype)
        if name in trainable and array.size and np.ptp(array) == 0
        else array
        for name, array in values.items()
    }


# --- the objective as a function --------------------------------------------------------------------------


class FrozenDetach(fx.Interpreter):
    """Runs a form. All runs reuse the results of `detach` from the first run, which makes them constants."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self._held: dict[fx.Node, torch.Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        made = super().run_node(n)
        if n.target != "detach":
            return made
        return self._held.setdefault(n, made.clone())  # it shares memory with what is detached


class BatchObjective:
    """The objective of one batch as a function of the weights, with the same random numbers in every call."""

    def __init__(self, form: TorchForm, batch: list[torch.Tensor], seed: int) -> None:
        self.form, self._batch, self._seed = form, batch, seed
        self._interpreter = FrozenDetach(form.module)
        self._differentiates = any(n.operator.wrt is not None for n in form.graph.nodes)

    def __call__(self) -> torch.Tensor:
        torch.manual_seed(self._seed)
        return self._interpreter.run(*self._batch, *self.form.weights)["objective"]

    def along(self, weight: torch.Tensor, direction: torch.Tensor) -> Callable[[float], float]:
        """The objective as a function of the step along a direction from a weight."""
        begin = weight.detach().clone()

        def at(t: float) -> float:
            with torch.no_grad():
                weight.copy_(begin + t * direction)
            with torch.set_grad_enabled(self._differentiates):
                value = float(self().detach())
            with torch.no_grad():
                weight.copy_(begin)
            return value

        return at

    def first_wrong(self) -> str | None:
        """The name of the first node whose own gradient differs from finite differences of the node."""
        single = NodeCheck(self.form.module, self._seed)
        torch.manual_seed(self._seed)
        single.run(*self._batch, *self.form.weights)
        return single.wrong


class NodeCheck(fx.Interpreter):
    """Runs a form, and checks the gradient of every node separately until one is wrong."""

    def __init__(self, module: fx.GraphModule, seed: int) -> None:
        super().__init__(module)
        self.wrong: str | None = None
        self._generator = torch.Generator().manual_seed(seed)

    def run_node(self, n: fx.Node) -> Any:
        if self.wrong is None and n.op in ("call_function", "call_method") and n.target != "detach":
            state = torch.get_rng_state()
            given = self.fetch_args_kwargs_from_env(n)
            if not self._is_right(lambda given: getattr(self, n.op)(n.target, *given), given, state):
                self.wrong = n.meta.get("name", n.name)
            torch.set_rng_state(state)
        return super().run_node(n)

    def _is_right(self, call: Any, given: Any, state: torch.Tensor) -> bool:
        """Whether autograd and finite differences agree on the derivative of a random linear combination of
        the results of a call, along a random direction of its arguments."""
        leaves: list[torch.Tensor] = []

        def take(value: Any) -> None:
            if needs_gradient(value):
                leaves.append(value.detach().requires_grad_())

        map_aggregate(given, take)
        directions, factors = [self._normal(leaf) for leaf in leaves], []

        def at(t: float) -> Any:
            torch.set_rng_state(state)
            moved = iter([leaf + t * d for leaf, d in zip(leaves, directions, strict=True)])
            made = call(map_aggregate(given, lambda a: next(moved) if needs_gradient(a) else a))
            results = [r for r in (made if isinstance(made, (tuple, list)) else (made,)) if is_float(r)]
            factors.extend(self._normal(r) for r in results[len(factors) :])
            return sum((s * r).sum() for s, r in zip(factors, results, strict=True))

        value = at(0.0) if leaves else None
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            return True
        gradients = torch.autograd.grad(value, leaves, materialize_grads=True)
        derivative = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
        size = max(float(g.abs().max()) for g in gradients)
        with torch.no_grad():
            return not compare(lambda t: float(at(t)), derivative, size).wrong

    def _normal(self, like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=self._generator, dtype=like.dtype)


def needs_gradient(value: Any) -> bool:
    return is_float(value) and value.requires_grad


def is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


# --- rows and weights -------------------------------------------------------------------------------------


def in_float64(program: CompiledProgram) -> CompiledProgram:
    """The program with all its phases in float64."""
    phases = (replace(p, settings=p.settings.knowing(precision="float64")) for p in program.phases)
    return replace(program, phases=tuple(phases))


def rows_of(face: Face, data: Any) -> tuple[Rows | None, str]:
    """Rows of the data of the spec, or the reason why there are none."""
    try:
        return open_data(face, data).train, ""
    except CompileError as error:
        if data is not None or any(d.code not in of_data.ABSENT for d in error.diagnostics):
            raise
        return None, error.diagnostics[0].message


def random_rows(program: CompiledProgram, seed: int) -> InMemoryRows:
    """Rows of random values for every input and target."""
    try:
        check_known(
            program.graph, {w.name: np.empty(0) for w in program.graph.weights}
        )  # requires that all classes are known
    except CompileError as error:
        help = "there is no data to find them in: give rows with `--data`"
        raise CompileError([replace(d, help=help) for d in error.diagnostics]) from None
    read = program.row_graph.readers()
    types = {v.field: numbered(v.type) for v in program.row_graph.inputs if v in read}
    if any(type.element == "string" for type in types.values()):
        raise plan_error("there is no data, and text cannot be drawn at random", program.data,
                         help="give rows with `--data`")  # fmt: skip
    free = free_sizes(program.row_graph)[0]
    drawn = sample(sized(types, free), ROWS, seed)
    of_dims = length_inputs(program).items()
    lengths = {v.field: draw_lengths(generator(seed, v.field), ROWS, free[name]) for name, v in of_dims}
    known = {n: np.maximum(a, 0) if types[n].element == "class" else a for n, a in drawn.items()}
    return InMemoryRows(known, ROWS, lengths=lengths)  # targets have to be one of the classes


def numbered(type: Tensor) -> Tensor:
    """The type with class indices in place of names, as in the graph."""
    return type if type.classes is None else replace(type, classes=Classes(type.classes.count))
