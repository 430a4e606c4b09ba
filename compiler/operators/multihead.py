"""Settings and shapes of attention."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.parameter_types import (
    Boolean,
    ConstantTensors,
    Integer,
    Keyword,
    MemberOf,
    Nothing,
    Number,
    OneOf,
)
from dlc.compiler.definitions.tensor_parameter_types import MaskNumbers, MaskTensor, ScoresTensor
from dlc.compiler.dims.dim import divisors, has_free, number, same
from dlc.compiler.operators.base import Operator, Reject, setting
from dlc.compiler.operators.operands import broadcast
from dlc.compiler.operators.step_order import Sight
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERANDS = ("the query", "the memory", "the values")
USUAL = 8  # features of a head, at least


class RotaryBase(Number):
    """The base of the wave lengths."""

    def accept(self, value: Any) -> Any:
        if value is True:
            raise Reject(self.mismatch(value).message, help="10000 is usual")
        return super().accept(value)


class Causal(Boolean):
    """Whether later steps are hidden; elsewhere the features stand before the heads."""

    def accept(self, value: Any) -> Any:
        if type(value) is int:
            raise Reject(self.mismatch(value).message, code="E0403",
                         help=f"the features are known: `attention({value})` has {value} heads")  # fmt: skip
        return super().accept(value)


class MultiHead(Operator, abstract=True):
    """What the forms of attention know about its operands."""

    PARTS: ClassVar[tuple[str, ...]] = ("query", "key", "value")

    heads: int = setting("number of heads, a divisor of the features of the query", Integer(1), usual=(1, 64))
    causal: bool = setting("whether a step sees only itself and the steps before it", Causal(), False)
    mask: Any = setting("what may be seen: a bool tensor, true where a query step may see a memory step",
                        OneOf(Nothing(), MaskTensor(), MaskNumbers()), None)  # fmt: skip
    kv_heads: int | None = setting("number of heads of keys and values, a divisor of `heads`",
                                   OneOf(Integer(1), Nothing()), None, shown="heads")  # fmt: skip
    bias: bool = setting("whether to add trained offsets", Boolean(), True)
    rotary: float | None = setting("base of the rotary position encoding of queries and keys, such as 10000",
                                   OneOf(RotaryBase(above=1), Nothing()), None)  # fmt: skip
    dropout: float = setting("share of the attention weights that are dropped in training",
                             Number(minimum=0, below=1), 0, usual=(0, 0.8))  # fmt: skip
    scores: Any = setting("a tensor that is added to the scaled products of queries and keys",
                          OneOf(Nothing(), ScoresTensor(), ConstantTensors()), None)  # fmt: skip
    window: int | None = setting("a step sees the steps that are less than this number of steps away",
                                 OneOf(Integer(1), Nothing()), None)  # fmt: skip
    scale: float | str = setting("factor of the products; `auto` is 1 over the root of a head's features",
                                  OneOf(Keyword("auto"), Number(above=0)), "auto")  # fmt: skip
    init: Any = setting("initial values of the weight matrices",
                        MemberOf("initial", "a name such as `xavier_uniform`, or `normal(0.02)`"), None,
                        keyword=True, shown="auto")  # fmt: skip

    # --- checks -------------------------------------------------------------------------------------------

    def check(self, query: Tensor, memory: Tensor | None, value: Tensor | None) -> None:
        """Reject operands and settings that do not fit together."""
        given = [x for x in (query, memory, value) if x is not None]
        for place, x in enumerate(given):
            check_operand(x, place)
            check_lead(query, x, place)
        if memory is not None and value is not None and not same(memory.shape[-2], value.shape[-2]):
            raise Reject(f"keys and values come in pairs, found {memory} and {value}", at="values",
                         code="E0203", help="both need the same number of steps; of two tensors, the second "
                                            "gives keys and values")  # fmt: skip
        self.check_heads(query)
        self.check_masks(query, query if memory is None else memory)

    def check_heads(self, query: Tensor) -> None:
        features, groups = number(query.shape[-1]), self.groups
        if features % self.heads:
            fitting = [n for n in divisors(features) if n <= max(features // USUAL, 1)]
            nearest = min(fitting, key=lambda n: abs(n - self.heads))
            help = (
                f"{nearest} heads have {features // nearest} features each"
                if nearest > 1
                else f"give it a multiple of {self.heads} features, such as by `dense({self.heads * USUAL})`"
            )
            raise Reject(f"{features} features cannot be divided among {self.heads} heads", at="heads",
                         code="E0404", help=help)  # fmt: skip
        if self.heads % groups:
            raise Reject(f"{self.heads} heads cannot share {groups} heads of keys and values evenly",
                         at="kv_heads", code="E0404",
                         help="it is one of the divisors of `heads`: "
                              f"{', '.join(map(str, divisors(self.heads)))}")  # fmt: skip
        width = features // self.heads
        if self.rotary is not None and width % 2:
            raise Reject(f"`rotary` rotates pairs of features, and each head has {width}", at="rotary",
                         code="E0404",
                         help="choose `heads` so that each has an even number of features")  # fmt: skip

    def check_masks(self, query: Tensor, memory: Tensor) -> None:
        """`causal` and `window` compare the places of queries and memory."""
        for name in ("causal", "window"):
            if getattr(self, name) and not same(query.shape[-2], memory.shape[-2]):
                raise Reject(f"`{name}` needs as many memory steps as query steps, found {memory.shape[-2]} "
                             f"and {query.shape[-2]}", at=name, code="E0404",
                             help=f"leave `{name}` out, or give a `mask`")  # fmt: skip
        whole = Tensor("float", (*query.shape[:-2], self.heads, query.shape[-2], memory.shape[-2]))
        for name in ("mask", "scores"):
            given = getattr(self, name)
            if isinstance(given, Tensor):
                check_broadcast(name, given, whole)

    # --- shapes -------------------------------------------------------------------------------------------

    @staticmethod
    def three(operands: Sequence[Any]) -> tuple[Any, Any, Any]:
        """What queries, keys and values are made of."""
        return operands[0], operands[min(1, len(operands) - 1)], operands[-1]

    @property
    def sources(self) -> tuple[Tensor, Tensor, Tensor]:
        """The types of what queries, keys and values are made of."""
        return self.three(self.positional)

    @property
    def is_self(self) -> bool:
        """Whether queries, keys and values are made of the same tensor."""
        return len(self.positional) == 1

    @property
    def is_only_causal(self) -> bool:
        """Whether `causal` alone says what is seen, and nothing is added."""
        others = (self.window, self.mask, self.scores, self.lengths)
        return self.causal and all(other is None for other in others)

    @property
    def sight(self) -> Sight:
        return Sight(ahead=not (self.causal or self.window == 1),
                     chosen=self.mask is not None or self.scores is not None,
                     placed=self.rotary is not None or self.window is not None,
                     heads=self.heads, width=number(self.width))  # fmt: skip

    @property
    def groups(self) -> int:
        """The number of heads of keys and values."""
        return self.kv_heads or self.heads

    @property
    def width(self) -> Any:
        """The number of features of a head."""
        return self.operands[0].shape[-1] // self.heads

    @property
    def products(self) -> Tensor:
        """The type of the products of queries and keys."""
        query, memory, _ = self.sources
        return Tensor("float", (*query.shape[:-2], self.heads, query.shape[-2], memory.shape[-2]))

    def grouped(self, have: Tensor) -> Tensor:
        """`[..., heads, steps, n]` with query heads that share keys and values joined along the steps."""
        *lead, _, steps, last = have.shape
        return have.with_shape(*lead, self.groups, steps * (self.heads // self.groups), last)


def check_operand(x: Tensor, place: int) -> None:
    if x.rank < 2 or has_free(x.shape[-1]):
        help = "`reshape(-1, 1)` makes each value a step of one feature" if x.rank == 1 else ""
        if x.rank > 1:
            help = "write a number for the last axis" if has_free(x.shape[-2]) else \
                "`transpose` swaps the last two axes"  # fmt: skip
        raise Reject(f"{OPERANDS[place]} of `attention` needs steps and a known number of features on its "
                     f"last two axes, found {x}", at=place, help=help)  # fmt: skip


def check_lead(query: Tensor, x: Tensor, place: int) -> None:
    lead, found = query.shape[:-2], x.shape[:-2]
    if len(lead) != len(found) or not all(map(same, lead, found)):
        raise Reject(f"the axes before steps and features must agree in all operands of `attention`, found "
                     f"{query} and {x}", at=place, code="E0203",
                     help="`reshape` joins axes to one of steps, or inserts one of size 1")  # fmt: skip


def check_broadcast(name: str, given: Tensor, whole: Tensor) -> None:
    try:
        fits = broadcast((whole, given), "combined") == whole.shape
    except Reject:
        fits = False
    if not fits:
        sizes = ", ".join(map(str, whole.shape))
        raise Reject(f"`{name}` must broadcast to [{sizes}], heads, query steps and memory steps last; found "
                     f"{given}", at=name, code="E0203", help=broadcast_help(given, whole))  # fmt: skip


def broadcast_help(given: Tensor, whole: Tensor) -> str:
    """What makes a mask or scores fit: of too many axes, in another order, of query steps, or another."""
    if given.rank > whole.rank:
        return f"there are at most {whole.rank} axes; the batch is never written"
    if given.rank == 1 and same(given.shape[0], whole.shape[-2]):
        return "`reshape(-1, 1)` makes its axis that of the query steps; the last one is of the memory steps"
    for order in permutations(range(given.rank)):
        ordered = [given.shape[axis] for axis in order]
        if given.rank > 1 and all(map(same, ordered, whole.shape[-given.rank :])):
            return f"`transpose({', '.join(map(str, order))})` puts its axes into this order"
    return "axes are matched from the last one; `reshape` inserts an axis of size 1 for the heads"
