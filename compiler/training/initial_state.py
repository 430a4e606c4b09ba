"""What training begins with, and what it holds still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import Nothing, OneOf, ParameterType, Text
from dlc.compiler.diagnostics.quoting import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Weight


class Net(ParameterType):
    """A net, whose weights are meant."""

    def describe(self) -> str:
        return "a net"

    def accept(self, value):
        if isinstance(getattr(value, "net", None), str):
            return value
        reject = self.mismatch(value)
        if getattr(value, "template", None) is not None:
            reject.help = "a block makes new weights at every use: declare it as a `net`"
        raise reject


class NetOrWeight(Net):
    """A net, or a weight that the file declares."""

    def describe(self) -> str:
        return "a net or a declared weight"

    def accept(self, value):
        from dlc.compiler.ir.graph import Value

        return value if isinstance(value, Value) else super().accept(value)


class WeightsFile(Text):
    """A file of weights."""

    def describe(self) -> str:
        return "the path of a `.safetensors` file in quotes"

    def accept(self, value):
        if isinstance(value, str) and not value.endswith(".safetensors"):
            raise Reject(f"expected {self.describe()}, found \"{shorten(value, 60)}\"", code="E0403",
                         help="other formats can run code as they are read: save the weights with "
                              "`safetensors.torch.save_file`")  # fmt: skip
        return super().accept(value)


class TrainedWeights(Definition, family="weights", what="a source of trained weights"):
    """Where trained weights come from."""


class Load(TrainedWeights):
    """Weights, and statistics, of a file in the format safetensors, under the names of the spec
    (`dlc show --weights`).

    With `into=` they are those of one net, without its own name: `conv.weight` for `encoder.conv.weight`. The
    file has to hold all of them, of the same shapes, and nothing else.
    """

    usage = """
    net encoder(x) { return x -> dense(16) -> relu }

    input  x: float[4]
    output kind: class(3)

    x -> encoder -> dense(3) -> kind

    train {
      weights = load("encoder.safetensors", into=encoder)
      freeze  = encoder
    }
    """

    path: str = setting("the file, relative to the spec", WeightsFile())
    into: Any = setting("the net that they are of", OneOf(Net(), Nothing()), None, keyword=True,
                        shown="the whole spec")  # fmt: skip

    def places(self, weights: Iterable[Weight]) -> dict[str, Weight]:
        """The weights that the file has to hold, by their names in it."""
        if self.into is None:
            return {w.name: w for w in weights}
        return {w.name.removeprefix(f"{w.net}."): w for w in weights if w.net == self.into.net}


class Meant:
    """The weights of some nets, and some declared weights."""

    def __init__(self, meant: Iterable[Any]) -> None:
        self.nets = {net for m in meant if (net := getattr(m, "net", None)) is not None}
        self.values = {m for m in meant if getattr(m, "net", None) is None}

    def __contains__(self, weight: Weight) -> bool:
        return weight.value in self.values or weight.net in self.nets


def by_net(weights: Iterable[Weight]) -> dict[str, list[Weight]]:
    """The weights that nets own, by net."""
    found: dict[str, list[Weight]] = {}
    for weight in weights:
        if weight.net is not None:
            found.setdefault(weight.net, []).append(weight)
    return found
