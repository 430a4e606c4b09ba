"""Loaded and frozen weights of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import Nothing, OneOf, ParameterType, Text
from dlc.compiler.diagnostics.quoting import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.ir.graph import Weight


class Net(ParameterType):
    """A net, as a name for its weights."""

    def describe(self) -> str:
        return "a net"

    def accept(self, value):
        if isinstance(getattr(value, "net", None), str):
            return value
        reject = self.mismatch(value)
        if getattr(value, "template", None) is not None:
            reject.help = "a block creates new weights at each use: declare it as a `net`"
        raise reject


class NetOrWeight(Net):
    """A net or a declared weight."""

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
                         help="other formats can run code when they are read: save the weights with "
                              "`safetensors.torch.save_file`")  # fmt: skip
        return super().accept(value)


class TrainedWeights(Definition, family="weights", what="a source of trained weights"):
    """A source of trained weights."""


class Load(TrainedWeights):
    """Weights and running statistics from a safetensors file, under the names of the spec
    (`dlc show --weights`).

    With `into=` the file has the weights of one net, without the name of the net: `conv.weight` for
    `encoder.conv.weight`. The file must contain all of them, with the same shapes, and nothing else.
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
    into: Any = setting("the net to load into", OneOf(Net(), Nothing()), None, keyword=True,
                        shown="the whole spec")  # fmt: skip

    def weights_in_file(self, weights: Iterable[Weight]) -> dict[str, Weight]:
        """The weights that the file must contain, by their names in the file."""
        if self.into is None:
            return {w.name: w for w in weights}
        return {w.name.removeprefix(f"{w.net}."): w for w in weights if w.net == self.into.net}


class WeightSelection:
    """The weights of some nets, and some declared weights."""

    def __init__(self, selected: Iterable[Any]) -> None:
        self.nets = {net for s in selected if (net := getattr(s, "net", None)) is not None}
        self.values = {s for s in selected if getattr(s, "net", None) is None}

    def __contains__(self, weight: Weight) -> bool:
        return weight.value in self.values or weight.net in self.nets


def by_net(weights: Iterable[Weight]) -> dict[str, list[Weight]]:
    """The weights of nets, by net."""
    found: dict[str, list[Weight]] = {}
    for weight in weights:
        if weight.net is not None:
            found.setdefault(weight.net, []).append(weight)
    return found
