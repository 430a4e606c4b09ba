"""The base class of operators.

An operator is one class: settings, type and shape rule, weights, PyTorch form, ONNX form, inference form and
examples. Everything else is derived from the class: argument checks, the reference, and tests that run every
example in torch, ONNX Runtime and `onnx.reference`.

An operator never sees source locations. It reports what is wrong with which operand (`Reject`); the
elaborator adds the source location.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlc.compiler.definitions.definition import Reject, family, setting
from dlc.compiler.operators.examples import Example
from dlc.compiler.operators.flat_ends import FlatEnds
from dlc.compiler.operators.given_operands import LENGTHS
from dlc.compiler.operators.operands import per_axis, spell_classes
from dlc.compiler.operators.padded_operands import PaddedOperands
from dlc.compiler.operators.step_order import StepOrder
from dlc.compiler.operators.text_reader import TextReader
from dlc.compiler.operators.weight_spec import WeightSpec
from dlc.compiler.types import Tensor, keep_ignored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dlc.compiler.definitions.initializers import Initializer
    from dlc.compiler.dims.dim import Size

Kept = Literal["numbers", "range", "axes", "missing"]

__all__ = ["Example", "Operator", "Reject", "WeightSpec", "by_symbol", "per_axis", "setting"]


class Operator(PaddedOperands, StepOrder, FlatEnds, TextReader, family="operator", what="an operator"):
    """The base class of all operators. The module docstring gives an overview."""

    # --- operands -----------------------------------------------------------------------------------------

    # The element to which operands are cast before `type` sees them: "float" (any number becomes a float),
    # "number" (integers and booleans become int64, floats float, mixed ones float), "any" (no cast; several
    # operands must agree), "float or class" (no cast of classes), "bool", "text". A tuple: one per operand.
    takes: ClassVar[str | tuple[str, ...]] = "float"
    # True if it also accepts values without a batch axis (declared weights).
    batchless: ClassVar[bool] = False
    # True if it follows NumPy broadcasting on sample shapes. Operands of lower rank then get axes of size 1
    # after the batch axis before the forms see them, and batched and batchless operands mix.
    broadcasts: ClassVar[bool] = False
    # True if its forms accept batched and batchless operands of any rank as they are.
    mixes: ClassVar[bool] = False
    # The tensors from which on a call is applied, if more than it needs: `attention(memory, 8)` is a stage.
    least_in_call: ClassVar[int] = 0

    # --- properties of the result -------------------------------------------------------------------------

    # What it preserves of its operands, so that passes can look through it:
    # - "numbers": each value of the result is a value of an operand, moved or repeated, or a bound.
    # - "range": each value of the result lies between two values of its operand.
    # - "axes": where the result has as many axes as an operand, each axis keeps its meaning.
    # - "missing": a missing number (NaN) gives NaN at its own position of the result alone, in every engine.
    keeps: ClassVar[tuple[Kept, ...]] = ()
    # What it does with the offset of large numbers, such as a time in seconds. It "keeps" the offset if it
    # moves or scales numbers; it "subtracts" one if it subtracts or compares. `int64` and `float64` inputs
    # are cast to float32 only after the last operator that subtracts: see `passes/offsets.py`.
    offset: ClassVar[Literal["", "keeps", "subtracts"]] = ""
    # The positions of operands that hold indices: their numbers do not reach the result.
    index_operands: ClassVar[tuple[int, ...]] = ()
    # True if it replaces each missing number.
    fills: ClassVar[bool] = False
    # Set where ONNX Runtime and PyTorch treat a NaN operand differently: one sentence about the difference.
    # Rows with NaN are then not compared with PyTorch when an artifact is proved.
    differs_on_nan: ClassVar[str] = ""
    # The element of outputs whose scores it turns into probabilities: "class" for softmax, "binary" for
    # sigmoid. Such an output applies it on export, and losses take the operand of it.
    matches: ClassVar[str] = ""
    # The elements of outputs whose scores it takes, as losses do. It then takes the operand of an activation
    # that matches one of them.
    of_scores: ClassVar[tuple[str, ...]] = ()
    # True if it takes probabilities, so that a softmax before a float output is intended.
    of_probabilities: ClassVar[bool] = False
    # True if it returns its operand unchanged.
    identity: ClassVar[bool] = False
    # The samples a second that it takes a recording to have.
    sample_rate: ClassVar[float | None] | property = None
    # True if it indexes the shape [1], so that no number is left out.
    indexes_one: ClassVar[bool] | property = False
    # True if its ONNX form has an operator of ai.onnx.ml.
    uses_ml: ClassVar[bool] | property = False
    # True if it casts numbers to another element and does nothing else.
    converts: ClassVar[bool] = False
    # True if it clips each number to bounds.
    bounds: ClassVar[bool] = False
    # True for layers: it is linear in its weights, and its results have any sign and scale.
    linear: ClassVar[bool] = False
    # True if its result has a fixed scale that does not depend on the scale of the operand.
    normalizes: ClassVar[bool] = False
    # True if axis 0 of its result holds channels and the axes after it are space: an image.
    spatial: ClassVar[bool] = False
    # True if it updates a state at every step of axis 0 with the same weights.
    recurs: ClassVar[bool] = False

    # --- initial values -----------------------------------------------------------------------------------

    # The initialization that an activation needs for the weights before it: "he", "lecun" or "" (Xavier);
    # none for other operators.
    initial: ClassVar[str | None] = None
    # The initializer that `auto` selects for its weights; none where the next activation decides.
    auto: ClassVar[Initializer | None] | property = None

    # --- training -----------------------------------------------------------------------------------------

    # True if the training form draws random numbers.
    random: ClassVar[bool] | property = False
    # True if its training form computes statistics over the batch, which need several values per feature.
    needs_many_rows: ClassVar[bool] = False
    # The condition on operands for a finite result and gradient; empty if only overflow makes them infinite.
    domain: ClassVar[str] = ""
    # True if no gradient flows back through it.
    detaches: ClassVar[bool] = False
    # Sets of operand indices in which it is jointly linear, the other operands fixed.
    linear_in: ClassVar[tuple[tuple[int, ...], ...]] = ()
    # True if it computes the sum of its operands, or the mean of one: its operands hold terms of the loss.
    sums: ClassVar[bool] | property = False
    # True if it computes a mean over the batch, of which `sum_and_weight` gives the two parts.
    averages: ClassVar[bool] | property = False
    # True if the weight of that mean is a number for each row that does not depend on the values of the row.
    weighs_rows: ClassVar[bool] | property = True
    # True if it computes one number from the whole batch that cannot be combined over several batches.
    of_batch: ClassVar[bool] = False
    # True if its result has the batch as an axis in place of a value for each sample.
    joins_batch: ClassVar[bool] = False
    # True if its result depends on the size of the batch alone.
    reads_batch_size: ClassVar[bool] | property = False
    # True for a loss that aligns its second operand, a text, with the steps of its first one.
    aligns: ClassVar[bool] = False
    # True if it changes with the steps of training.
    moves: ClassVar[bool] = False
    # True if some of what it computes a loss of may not count.
    ignores: ClassVar[bool] | property = False
    # True if it leaves ignored entries of targets out, or replaces them: losses and `where`.
    leaves_out_ignored: ClassVar[bool] = False
    # True if it has no ONNX form, because it occurs in training only, as losses do.
    training_only: ClassVar[bool] = False
    # The index of the operand with respect to which it differentiates.
    wrt: ClassVar[int | None] = None
    # True if it mixes targets with others of the batch: the loss is then computed with both.
    # Augmentations that move or mix targets define `augments_target`, `check_target` and `with_targets`.
    mixes_targets: ClassVar[bool] = False

    # Settings that change the sizes of the result, with the values that a hint about a wrong size tries, the
    # likeliest first.
    adjusts: ClassVar[Mapping[str, tuple[Any, ...]]] = MappingProxyType({})

    # --- syntax and display -------------------------------------------------------------------------------

    # False for nodes that the compiler inserts and that no spec names.
    public: ClassVar[bool] = True
    # True for inserted casts and reshapes that adapt an operand. They are not displayed.
    glue: ClassVar[bool] = False
    # The operator symbol that a spec writes where the operator has no name: `+`.
    symbol: ClassVar[str] = ""
    # The heading in the reference and the colour in pictures; the name of the file by default.
    # It is for display only: passes ask what an operator does.
    group: ClassVar[str] = ""
    # True if a picture draws it in the box of the operator before it, provided that the shape stays the same.
    follows: ClassVar[bool] = False
    # A line that a picture adds to its box, and the names of its positional operands there.
    remark: ClassVar[str] | property = ""
    operand_labels: ClassVar[tuple[str, ...]] | property = ()
    examples: ClassVar[tuple[Example, ...]] = ()

    # Added by `bind`: the types of the operands and of the results.
    operands: tuple[Tensor, ...]
    results: tuple[Tensor, ...]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if not cls.offset and "numbers" in cls.keeps:
            cls.offset = "keeps"
        if not cls.group and not cls.abstract:
            cls.group = cls.__module__.rpartition(".")[2]

    def bind(self, *operands: Tensor) -> Operator:
        """A copy of the operator with the types of its operands and results. Raises `Reject`."""
        positional, given = self.split(operands)
        given.pop(LENGTHS, None)
        bound = self.with_settings(**given).knowing(lengths=self.lengths)
        object.__setattr__(bound, "operands", operands)
        made = bound.type(*positional)
        results = made if isinstance(made, tuple) else (made,)
        object.__setattr__(bound, "results", bound.with_ignored(results))
        return bound

    def with_ignored(self, results: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The types of the results, with the ignored entries that they keep from their operands."""
        return keep_ignored(self.operands, results, not {"numbers", "missing"}.isdisjoint(self.keeps))

    # --- defined by each operator -------------------------------------------------------------------------

    @abstractmethod
    def type(self, *operands: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The type of the result, or `Reject`. Its parameters name the positional operands. A setting that
        holds a tensor is the type of that tensor."""
        raise NotImplementedError

    def weights(self, *operands: Tensor) -> Iterable[WeightSpec]:
        """The weights it owns, in order of creation."""
        return ()

    @abstractmethod
    def torch(self, F: Any, *operands: Any, **weights: Any) -> Any:
        """Its training form in plain PyTorch.

        `F` looks up functions in `torch.nn.functional`, then in `torch`. `F.size(dim)` is a dimension as a
        number, also for free dimensions. Operands are whole tensors, batch first. Keyword arguments are the
        weights by leaf name and the tensors of settings by setting name. `self.operands` and `self.results`
        are the types.
        """
        raise NotImplementedError

    def sum_and_weight(self, F: Any, *operands: Any) -> tuple[Any, Any]:
        """For a mean over the batch: the sum and the total weight, a number or a tensor of one number. The
        mean over several batches, of any sizes, is the sum of sums over the sum of weights."""
        raise NotImplementedError

    def onnx(self, op: Any, *operands: Any, **weights: Any) -> Any:
        """Its inference form in plain ONNX.

        `op.Relu(x)` and `op.Conv(x, w, b, strides=[1, 1])` add nodes. `op.constant(array or list, dtype)` is
        a constant (dtype "float32", "int64", "bool", "string"). `op.size(dim)` is a dimension as an int64
        scalar, `op.shape(type)` a whole shape, batch included, as an int64 vector. `op.stored(".T", lambda w:
        w.T, weight)` stores a weight in another layout or element: the function maps the arrays of one or
        several weights to the stored array. `op.in_openvino` is true if OpenVINO has to run it too. The
        batch may be empty.
        """
        raise NotImplementedError

    def module(self, nn: Any) -> Any:
        """The equivalent module of `torch.nn`, with the same weight names and operands; none if there is no
        such module. Emitted files use it."""
        return None

    def call(self, F: Any, module: Any, *operands: Any) -> Any:
        """Applies that module, with the code around it where the module alone is not enough. A module that
        returns a pair is called with `outputs=2`."""
        return module(*operands)

    def modules(self, nn: Any) -> dict[str, Any]:
        """The modules of `torch.nn` that hold its weights, if their leaf names are `PART.weight`. Emitted
        files have a class of these parts, and `call` gets all of them."""
        return {}

    @property
    def class_name(self) -> str:
        """The name of its class in emitted files, in snake case."""
        return self.name

    def constant(self) -> Any:
        """The number or nested lists of numbers of an operator without operands; none for others."""
        return None

    def inference(self) -> Operator:
        """The operator that replaces it at inference. It gets the first operands, as many as it takes. The
        default is the operator itself."""
        return self

    def without_updates(self) -> Operator:
        """The training form that leaves running statistics as they are."""
        return self

    def augments_target(self, target: Tensor) -> bool:
        """Whether it also augments a target of this type, if a loss compares its result with the target."""
        return False

    def check_target(self, target: Tensor) -> None:
        """`Reject` a target that has to be augmented and cannot be."""

    def blends_target(self, target: Tensor) -> bool:
        """Whether the losses of a target of this type and of its partner are mixed; else it is moved."""
        return self.mixes_targets

    def with_targets(self, smooth: tuple[bool, ...]) -> Operator:
        """The operator that replaces it in training and augments targets too. It takes the targets after its
        own operands and returns them augmented. `smooth` says for each target whether its values may be
        interpolated. An operator with `mixes_targets` returns its share first; in place of a target that it
        blends, it returns the partners' targets."""
        raise NotImplementedError

    def drops(self) -> bool:
        """Whether it sets random values to 0 in training."""
        return False

    def sums_to_one(self, x: Tensor) -> int | None:
        """The sample axis along which its result sums to 1, for the operand `x`; none if there is none."""
        return None

    def takes_only(self) -> tuple[str, str] | None:
        """The range of its operand, if that is limited, and an operator that maps numbers into the range."""
        return None

    def labels(self) -> tuple[str, ...] | tuple[int, ...]:
        """The labels outside of the graph of the class indices that it takes, if it defines labels."""
        return ()

    def from_text(self, np: Any, text: Any) -> Any:
        """The array that torch gets in place of an array of text, if it takes text."""
        raise NotImplementedError

    def features_first(self) -> bool:
        """Whether the first axis of its result holds the features and `scaled` is defined, so that a
        normalization over the features can be folded into it."""
        return False

    def scaled(self, np: Any, weights: dict[str, Any], scale: Any, offset: Any) -> dict[str, Any]:
        """The weights with which it computes `y * scale + offset` in place of `y`. `scale` and `offset` have
        one float64 number per feature."""
        raise NotImplementedError

    def scale_and_offset(self, np: Any, **weights: Any) -> tuple[Any, Any]:
        """The scale and the offset in float64 of an operator that computes `y = x * scale + offset` for each
        feature on the first axis."""
        raise NotImplementedError

    def tolerance(self, np: Any) -> Callable[..., Any] | None:
        """The tolerance of each result value to rounding, as a function of the operands and of the weights by
        leaf name; none if the operator is continuous."""
        return None

    def number_required(self, x: Tensor, at: int | str) -> Reject:
        """The error for text or classes where it takes numbers."""
        help = {
            "class": "a class is not a number: `embedding` or `one_hot` comes first",
            "string": "a `vocabulary` or `tokenize` turns text into classes",
        }.get(x.element, "")
        message = f"`{self.symbol or self.name}` works on numbers, found {spell_classes(x)}"
        return Reject(message, at=at, code="E0202", help=help)

    def size_limits(self) -> Iterable[tuple[Size, int]]:
        """Free sizes that are limited at run time, each with its maximum."""
        return ()

    def multiply_adds(self) -> Size:
        """Multiply-adds per sample."""
        return 0

    def fit(self, np: Any, batches: Any) -> dict[str, Any]:
        """The values of its `fitted` weights by leaf name, computed from the training rows.

        `batches()` starts a new pass over the operand, as arrays with the batch first.
        """
        raise NotImplementedError

    def fit_torch(self, F: Any, x: Any) -> dict[str, Any]:
        """Same as `fit`, in PyTorch and from the whole operand at once, for emitted files. `fit` itself takes
        the rows in batches and computes in float64."""
        raise NotImplementedError

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
        """The minimum and the maximum number of operands; the maximum is none if there is no limit."""
        parameters = list(inspect.signature(cls.type).parameters.values())[1:]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return 1, None
        return sum(p.default is p.empty for p in parameters), len(parameters)

    def rescales(self) -> bool:
        """True if it only scales and shifts each feature on the first axis, by its weights."""
        return type(self).scale_and_offset is not Operator.scale_and_offset

    def is_fitted(self) -> bool:
        """True if it has weights that are fitted to the training rows."""
        return type(self).fit is not Operator.fit


def by_symbol() -> dict[str, type[Operator]]:
    """The binary operators by their symbol."""
    operators = (c for c in family("operator").values() if issubclass(c, Operator))
    return {c.symbol: c for c in operators if c.symbol and c.arity() == (2, 2)}
