"""Loaded and frozen weights of training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import Nothing, OneOf, ParameterType, Text
from dlc.compiler.diagnostics.quoting import shorten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

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


# Endings of other weight files; other names are those of run folders.
FORMATS = (
    ".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5", ".hdf5", ".keras",
    ".onnx", ".msgpack", ".pb", ".gguf", ".tar", ".zip",
)  # fmt: skip


class WeightsFile(Text):
    """A file of weights, or a run folder."""

    def describe(self) -> str:
        return "the path of a `.safetensors` file or of a run folder in quotes"

    def accept(self, value):
        if isinstance(value, str) and value.lower().endswith(FORMATS):
            raise Reject(f"expected {self.describe()}, found \"{shorten(value, 60)}\"", code="E0403",
                         help="other formats can run code when they are read: save the weights with "
                              "`safetensors.torch.save_file`")  # fmt: skip
        return super().accept(value)


class TrainedWeights(Definition, family="weights", what="a source of trained weights"):
    """A source of trained weights."""


class Load(TrainedWeights):
    """Weights, running statistics and fitted values from a safetensors file or from a run, under the names of
    the spec (`dlc show --weights`).

    With `into=` they are those of one net, with or without the name of the net: `encoder.conv.weight` or
    `conv.weight`. With `from=` they are those of a net of the run or the file, and the others are left out.
    All weights of the net or the spec must be there, with the same shapes, and nothing else. With `into=` and
    without `from=`, other weights of a run are left out. Average nets need none: they start as their nets.

    `names="map.json"` is for files with other names: a JSON object from names of the spec to names of the
    file. A key may be the beginning of names, up to a dot. `layer{i}` stands for `layer`, `layer_2` and so
    on, and `{i-1}` in the value for the number less one. `"w[0:768]"` are rows of a tensor, `"w[0]"` one row,
    `"w.T"` its transpose. A weight without an entry has its own name in the file. Other tensors of the file
    are left out.
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

    path: str = setting("the file or the run folder, relative to the spec", WeightsFile())
    into: Any = setting("the net to load into", OneOf(Net(), Nothing()), None, keyword=True,
                        shown="the whole spec")  # fmt: skip
    from_: str | None = setting("the net of the run or the file whose weights are loaded",
                                OneOf(Text(), Nothing()), None, keyword=True, shown="all")  # fmt: skip
    names: str | None = setting("the map from names of the spec to names of the file, relative to the spec",
                                OneOf(Text(), Nothing()), None, keyword=True,
                                shown="the same names")  # fmt: skip

    @property
    def is_run(self) -> bool:
        return not self.path.endswith(".safetensors")

    def wanted(self, weights: Iterable[Weight]) -> dict[str, Weight]:
        """The weights to load, by their names without the name of the net. Constants have their own files."""
        if self.into is None:
            return {w.name: w for w in weights if w.role != "constant"}
        return {w.name.removeprefix(f"{w.net}."): w for w in weights if w.net == self.into.net}

    def needs(self, weight: Weight) -> bool:
        """Whether the weight has to be there. Fitted values that a file lacks are fitted to the rows."""
        return not (weight.follows or (weight.role == "fitted" and not self.is_run))

    def found(self, names: Collection[str], wanted: Collection[str]) -> dict[str, str]:
        """The stored names to load, by the names without the name of the net. Names that are not wanted are
        included, except those of other parts of a run."""
        start = f"{self.from_}." if self.from_ else ""
        starts = (start, f"{start}{self.into.net}.") if self.into else (start,)
        forms = [{n.removeprefix(s): n for n in names if n.startswith(s)} for s in starts]
        best = max(forms, key=lambda form: sum(name in form for name in wanted))
        if self.is_run and self.into and not self.from_:
            return {name: stored for name, stored in best.items() if name in wanted}
        chosen = {*best.values()}
        return best | {n: n for n in names if n.startswith(start) and n not in chosen}


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
