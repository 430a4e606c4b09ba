"""What an operator is.

An operator is one class: its settings, its type and shape rule, its weights, its form in PyTorch, its form in
ONNX, what it becomes at inference, and example rows. Everything else is derived from that: checking, the
reference, and tests of every example row in torch, ONNX Runtime and `onnx.reference`.

An operator names its settings and its rule as the field does, and it never sees places of the text: it says
what is wrong and with which operand (`Reject`), the elaborator knows where.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from dlc.compiler.definitions.definition import Definition, Reject, family, setting
from dlc.compiler.definitions.tensor_parameter_types import WeightTensor, tensor_kind
from dlc.compiler.operators.examples import Example
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.operators.weight_spec import WeightSpec
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.definitions.tensor_parameter_types import TensorValue
    from dlc.compiler.dims.dim import Size

T = TypeVar("T")
Kept = Literal["numbers", "axes", "missing"]

__all__ = ["Example", "Operator", "Reject", "WeightSpec", "by_sign", "per_axis", "setting"]


class Operator(Definition, family="operator", what="an operator"):
    """The base of all operators; see the module's text."""

    # --- what flows in ------------------------------------------------------------------------------------

    # What its operands are turned into before `type` sees them: "float" (any number becomes a float),
    # "number" (whole numbers and booleans become int64, floats float, mixed ones float), "any" (as they are;
    # several must agree), "float or class" (classes as they are), "bool"; a tuple says it for each operand.
    takes: ClassVar[str | tuple[str, ...]] = "float"
    # True if the operator works on values without a batch axis (declared weights) as well.
    batchless: ClassVar[bool] = False
    # True if it follows NumPy broadcasting on sample shapes; operands of lower rank are then given axes of
    # size 1 behind the batch before the forms see them, and batched and batchless operands mix.
    broadcasts: ClassVar[bool] = False
    # True if its forms take batched and batchless operands, of any ranks, as they are.
    mixes: ClassVar[bool] = False

    # --- what is known of the numbers it makes ------------------------------------------------------------

    # What of its operands is found again in what it makes, so that passes look through it:
    # - "numbers": each that it makes is one of them, moved or repeated, or else a constant, as a bound is.
    # - "axes": where there are as many as an operand has, each means what it meant there.
    # - "missing": a missing number (NaN) is NaN in its own place of what is made, and there alone, in every
    #   engine.
    keeps: ClassVar[tuple[Kept, ...]] = ()
    # What it does with the offset of large numbers, as that of a time in seconds: it "keeps" it, as what
    # moves or scales numbers does, or "subtracts" one (or compares with one). Numbers of `int64` and
    # `float64` inputs are made float32 only behind the last that subtracts: see `passes/offsets.py`.
    offset: ClassVar[Literal["", "keeps", "subtracts"]] = ""
    # True if a number takes the place of each missing one.
    fills: ClassVar[bool] = False
    # What ONNX Runtime makes of a NaN that flows in, a sentence, where that is not what PyTorch makes of it:
    # the proof of an artifact then does not hold rows with a NaN to the answer of PyTorch.
    differs_on_nan: ClassVar[str] = ""
    # The element of outputs whose answers it makes of scores: "class" for softmax, "binary" for sigmoid. Such
    # an output exports it by itself, and losses take what stands before it.
    matches: ClassVar[str] = ""
    # The elements of outputs whose scores it takes, as losses do: it then looks behind the activation that
    # matches one of them.
    of_scores: ClassVar[tuple[str, ...]] = ()
    # True if it asks for probabilities, so that a softmax before a float output is meant.
    of_probabilities: ClassVar[bool] = False
    # True if it makes what flows in, unchanged.
    identity: ClassVar[bool] = False
    # True if it indexes the shape [1], so that no number is left out.
    indexes_one: ClassVar[bool] | property = False
    # True if it makes each number one of another element, and nothing else of it.
    converts: ClassVar[bool] = False
    # True if it keeps each number between bounds.
    bounds: ClassVar[bool] = False
    # True if it makes numbers of any sign and spread, of weights in which it is linear: a layer.
    linear: ClassVar[bool] = False
    # True if it brings values to one scale, whatever theirs was.
    normalizes: ClassVar[bool] = False
    # True if it is flat far from 0 on both sides, so that gradients vanish through many of it.
    saturates: ClassVar[bool] = False
    # True if it takes axis 0 for channels and those behind it for space, and so makes an image.
    spatial: ClassVar[bool] = False

    # --- initial values -----------------------------------------------------------------------------------

    # What an activation asks of the weights before it: "he", "lecun" or "" (Xavier);
    # none for other operators.
    initial: ClassVar[str | None] = None
    # What `auto` stands for as the initial values of its weights; none where what follows decides.
    auto: ClassVar[Initializer | None] = None

    # --- training -----------------------------------------------------------------------------------------

    # True if the training form draws random numbers.
    random: ClassVar[bool] = False
    # True if its training form makes statistics over the batch, which one value of each feature has not.
    needs_many_rows: ClassVar[bool] = False
    # What its operands have to be, or else its result or its gradient is no finite number; empty where only
    # large numbers make it so.
    wants: ClassVar[str] = ""
    # True if no gradient flows back through it.
    detaches: ClassVar[bool] = False
    # Sets of operands, by their places, in which it is linear, the others held still.
    linear_in: ClassVar[tuple[tuple[int, ...], ...]] = ()
    # True if it makes the sum of its operands, or the mean of one: the terms of a loss are found behind it.
    sums: ClassVar[bool] = False
    # True if it makes a mean over the batch, of which `sum_and_weight` gives the two parts.
    averages: ClassVar[bool] | property = False
    # True if the weight of that mean is a number for each row, whatever is in the rows.
    weighs_rows: ClassVar[bool] | property = True
    # True if it makes one number of each batch as a whole, and no mean that several batches have together.
    of_batch: ClassVar[bool] = False
    # True if it stands in training alone, as losses do, and has no form in ONNX.
    training_only: ClassVar[bool] = False
    # The operand with respect to which it differentiates.
    wrt: ClassVar[int | None] = None
    # True if targets that follow it are mixed with others of the batch: losses are then computed with both.
    # What moves or mixes targets defines `leads`, `check_target` and `with_targets`.
    mixes_targets: ClassVar[bool] = False

    # Settings that change the sizes of what it makes, with the values that are tried, the likeliest first,
    # where another size is wanted.
    adjusts: ClassVar[Mapping[str, tuple[Any, ...]]] = MappingProxyType({})

    # --- how it is written and shown ----------------------------------------------------------------------

    # False for nodes that the compiler puts in by itself and that no spec names.
    public: ClassVar[bool] = True
    # True for what makes an operand fit where it is taken, an element or axes: people are not shown it.
    glue: ClassVar[bool] = False
    # How a spec writes it, where it has no name of its own: `+`.
    sign: ClassVar[str] = ""
    # Where the reference lists it and how pictures paint it; the name of its file unless it says otherwise.
    # It is for readers alone: passes ask what an operator does.
    group: ClassVar[str] = ""
    # True if a picture draws it in the box of the operator before it, where the shape stays as it is.
    follows: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = ()

    # What `bind` adds: the types of its operands and of what it makes.
    operands: tuple[Tensor, ...]
    results: tuple[Tensor, ...]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if not cls.offset and "numbers" in cls.keeps:
            cls.offset = "keeps"
        if not cls.group and not cls.abstract:
            cls.group = cls.__module__.rpartition(".")[2]

    def bind(self, *operands: Tensor) -> Operator:
        """The same operator with the types of its operands, and of what it makes, known;
        may raise `Reject`."""
        flowing, given = self.split(operands)
        bound = self.with_settings(**given)
        object.__setattr__(bound, "operands", operands)
        made = bound.type(*flowing)
        object.__setattr__(bound, "results", made if isinstance(made, tuple) else (made,))
        return bound

    # --- what each operator says --------------------------------------------------------------------------

    @abstractmethod
    def type(self, *operands: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The type of what is made, or `Reject`. Its parameters name the operands that flow in. A setting in
        which a tensor is given is the type of that tensor."""
        raise NotImplementedError

    def weights(self, *operands: Tensor) -> Iterable[WeightSpec]:
        """The weights it owns, in the order in which they are made."""
        return ()

    @abstractmethod
    def torch(self, F: Any, *operands: Any, **weights: Any) -> Any:
        """Its training form in plain PyTorch.

        `F` finds functions of `torch.nn.functional`, then of `torch`; `F.size(dim)` is a dimension as a
        number, free ones included. Operands are whole tensors, batch first; weights come by leaf name, and
        tensors that are given in settings by the names of these, as keywords. `self.operands` and
        `self.results` are the types.
        """
        raise NotImplementedError

    def sum_and_weight(self, F: Any, *operands: Any) -> tuple[Any, Any]:
        """Where it makes a mean over the batch: the sum, and the weight that it is over, a number or a tensor
        of one. So several batches have one mean, however uneven they are."""
        raise NotImplementedError

    def onnx(self, op: Any, *operands: Any, **weights: Any) -> Any:
        """Its inference form in plain ONNX.

        `op.Relu(x)`, `op.Conv(x, w, b, strides=[1, 1])` make nodes; `op.constant(array or list, dtype)` a
        constant (dtype "float32", "int64", "bool", "string"); `op.size(dim)` a dimension as an int64 scalar,
        `op.shape(type)` a whole shape, batch included, as an int64 vector. `op.stored(".T", lambda w: w.T,
        weight)` is a weight as the file holds it in another layout or element: what the function makes of the
        arrays of one weight or several. A batch may have no samples.
        """
        raise NotImplementedError

    def module(self, nn: Any) -> Any:
        """Its module of `torch.nn`, whose weights are called as its own are and which is called with its
        operands; none if there is no such module. An emitted file is written with it."""
        return None

    def call(self, F: Any, module: Callable[..., Any], *operands: Any) -> Any:
        """What is made with that module, where it alone does not make it."""
        return module(*operands)

    def constant(self) -> Any:
        """The number, or the lists of numbers, that it makes of nothing; none if something flows in."""
        return None

    def inference(self) -> Operator:
        """The operator that stands in its place at inference, over as many of the first operands as it takes;
        itself unless it acts differently in training."""
        return self

    def leads(self, target: Tensor) -> bool:
        """Whether in training a target of this type has to follow, where it is held against what is made."""
        return False

    def check_target(self, target: Tensor) -> None:
        """`Reject` a target that it leads and that cannot follow."""

    def with_targets(self, smooth: tuple[bool, ...]) -> Operator:
        """What stands in its place in training to make the targets that follow too, which it takes behind its
        own operands; `smooth` says for each whether its values may be interpolated. What mixes targets makes
        its share first, and the partners' targets."""
        raise NotImplementedError

    def drops(self) -> bool:
        """Whether it sets numbers to 0 in training, by chance."""
        return False

    def sums_to_one(self, x: Tensor) -> int | None:
        """The axis of the sample along which what it makes of `x` sums to 1; none if there is none."""
        return None

    def takes_only(self) -> tuple[str, str] | None:
        """What it takes where numbers of either sign will not do, and what makes it of them."""
        return None

    def labels(self) -> tuple[str, ...] | tuple[int, ...]:
        """What the places that flow in are called outside of the graph, if it says that."""
        return ()

    def from_text(self, np: Any, text: Any) -> Any:
        """What flows in torch in place of an array of text, if it takes text."""
        raise NotImplementedError

    def features_first(self) -> bool:
        """Whether its features are the first axis of what it makes, and `scaled` gives them another scale and
        offset, so that a norm over them can be folded into it."""
        return False

    def scaled(self, np: Any, weights: dict[str, Any], scale: Any, offset: Any) -> dict[str, Any]:
        """The weights with which it makes `y * scale + offset`, one number a feature each in float64,
        where it made `y`."""
        raise NotImplementedError

    def scale_and_offset(self, np: Any, **weights: Any) -> tuple[Any, Any]:
        """What it does to each feature on the first axis, as `y = x * scale + offset` in float64, if it does
        nothing else."""
        raise NotImplementedError

    def slack(self, np: Any) -> Callable[..., Any] | None:
        """How far rounding may move each answer, as a function of what flows in, and of the weights
        by leaf name; none if it chooses nothing."""
        return None

    def no_number(self, x: Tensor, at: int | str) -> Reject:
        """What is said of text or classes where it takes numbers."""
        help = {
            "class": "a class is not a number: `embedding` or `one_hot` comes first",
            "string": "a `vocabulary` or `tokenize` turns text into classes",
        }.get(x.element, "")
        message = f"`{self.sign or self.name}` works on numbers, found {spell_classes(x)}"
        return Reject(message, at=at, code="E0202", help=help)

    def most(self) -> Iterable[tuple[Size, int]]:
        """Sizes that cannot be greater when it runs, each with the greatest that goes."""
        return ()

    def multiply_adds(self) -> Size:
        """Multiplications with an addition, for one sample."""
        return 0

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        """What is learnt from the training rows: weights by leaf name, for operators with `learnt` weights.

        `batches()` starts a new pass over what flows in, as arrays with the batch first.
        """
        raise NotImplementedError

    def learnt(self, F: Any, x: Any) -> dict[str, Any]:
        """The same as `fit` in PyTorch, from all that flows in at once, as a person writes it: an emitted
        file learns so. `fit` itself takes the rows in pieces, as many as there are, and counts in float64."""
        raise NotImplementedError

    # --- tensors in settings ------------------------------------------------------------------------------

    @classmethod
    @cache
    def tensor_settings(cls) -> dict[str, TensorValue]:
        """The settings in which a tensor may be given."""
        kinds = {name: tensor_kind(declared.kind) for name, declared in cls.settings.items()}
        return {name: kind for name, kind in kinds.items() if kind is not None}

    @property
    def given(self) -> tuple[str, ...]:
        """The settings in which operands are given, which stand behind those that flow in, in this order."""
        kinds = self.tensor_settings().items()
        operands = (name for name, kind in kinds if not isinstance(kind, WeightTensor))
        return tuple(name for name in operands if isinstance(getattr(self, name), Tensor))

    def split(self, operands: Sequence[T]) -> tuple[Sequence[T], dict[str, T]]:
        """The operands that flow in, and those that are given in settings, by their names."""
        count = len(operands) - len(self.given)
        return operands[:count], dict(zip(self.given, operands[count:], strict=True))

    @property
    def flowing(self) -> Sequence[Tensor]:
        """The types of the operands that flow in."""
        return self.split(self.operands)[0]

    def taken_by(self, other: Operator, operands: Sequence[T]) -> tuple[T, ...]:
        """Of its operands those that another operator takes in its place."""
        flowing, given = self.split(operands)
        return (*flowing[: other.arity()[1]], *(given[name] for name in other.given))

    # --- derived ------------------------------------------------------------------------------------------

    @classmethod
    def undefined(cls) -> list[str]:
        exported = cls.onnx is not Operator.onnx or cls.inference is not Operator.inference
        missing = {"`onnx` or `inference`": not (exported or cls.training_only),
                   "`examples`": cls.public and not cls.examples}  # fmt: skip
        return [*super().undefined(), *(what for what, is_missing in missing.items() if is_missing)]

    @classmethod
    @cache
    def operand_names(cls) -> tuple[str, ...]:
        return tuple(p for p in inspect.signature(cls.type).parameters if p != "self")

    @classmethod
    @cache
    def arity(cls) -> tuple[int, int | None]:
        """The least and the greatest number of operands; none for any."""
        parameters = list(inspect.signature(cls.type).parameters.values())[1:]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return 1, None
        return sum(p.default is p.empty for p in parameters), len(parameters)

    def rescales(self) -> bool:
        """True if it scales and offsets each feature on the first axis, by its weights alone."""
        return type(self).scale_and_offset is not Operator.scale_and_offset

    def learns(self) -> bool:
        """True if something is learnt from the training rows before training."""
        return type(self).fit is not Operator.fit


def by_sign() -> dict[str, type[Operator]]:
    """The operators of two operands that have a sign."""
    operators = (c for c in family("operator").values() if issubclass(c, Operator))
    return {c.sign: c for c in operators if c.sign and c.arity() == (2, 2)}


def per_axis(value: Any, axes: int, setting: str) -> tuple[int, ...]:
    """A setting of one number or one per axis, as one per axis."""
    if not isinstance(value, tuple):
        return (value,) * axes
    if len(value) != axes:
        raise Reject(f"`{setting}` has {len(value)} entries for {axes} space axes", at=setting, code="E0404")
    return value
