"""Scan of an ONNX file before ONNX Runtime opens it.

The file may be untrusted. It is refused for every field, operator or size that dlc does not write: loops
without a bound, loops in loops, functions, files outside of its folder, and weights whose size does not match
their shape.
"""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from dlc.compiler import reading
from dlc.compiler.definitions.decoders import MOST_STEPS
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.lower.onnx_operators import WRITTEN
from dlc.runtime.artifact.metadata import Metadata, from_texts
from dlc.runtime.artifact.protobuf import BYTES, FOUR, VARINT, fields, varint
from dlc.runtime.errors import ArtifactError
from dlc.runtime.strict_json import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dlc.runtime.artifact.protobuf import Buffer, Place

    Fields = dict[str, list[Any]]

MAX_FILE = 2**31 - 1  # bytes, the limit of protobuf
MAX_PARTS = 1_000_000  # fields of the file, not counting ITEMS
MAX_ITEMS = 5_000_000  # such as the names of classes
ITEMS = ("dims", "string_data", "floats", "ints", "strings")
MAX_RANK = 64

NUMBER, REAL, TEXT = "number", "real", "text"
WIRES = {NUMBER: (VARINT, BYTES), REAL: (FOUR, BYTES), TEXT: (BYTES,)}
GRAPH, NODE, ATTRIBUTE, TENSOR = "GraphProto", "NodeProto", "AttributeProto", "TensorProto"
OPSET, ENTRY = "OperatorSetIdProto", "StringStringEntryProto"
VALUE, TYPE, OF_TENSOR = "ValueInfoProto", "TypeProto", "Tensor"
# The ONNX messages, with the fields that dlc writes and fields without effect: their names and types by
# field number.
LAYOUT: dict[str, dict[int, tuple[str, str]]] = {
    "ModelProto": {
        1: ("ir_version", NUMBER), 2: ("producer_name", TEXT), 3: ("producer_version", TEXT),
        4: ("domain", TEXT), 5: ("model_version", NUMBER), 6: ("doc_string", TEXT), 7: ("graph", GRAPH),
        8: ("opset_import", OPSET), 14: ("metadata_props", ENTRY),
    },
    OPSET: {1: ("domain", TEXT), 2: ("version", NUMBER)},
    ENTRY: {1: ("key", TEXT), 2: ("value", TEXT)},
    GRAPH: {
        1: ("node", NODE), 2: ("name", TEXT), 5: ("initializer", TENSOR), 10: ("doc_string", TEXT),
        11: ("input", VALUE), 12: ("output", VALUE), 13: ("value_info", VALUE), 16: ("metadata_props", ENTRY),
    },
    NODE: {
        1: ("input", TEXT), 2: ("output", TEXT), 3: ("name", TEXT), 4: ("op_type", TEXT),
        5: ("attribute", ATTRIBUTE), 6: ("doc_string", TEXT), 7: ("domain", TEXT),
        9: ("metadata_props", ENTRY),
    },
    ATTRIBUTE: {
        1: ("name", TEXT), 2: ("f", REAL), 3: ("i", NUMBER), 4: ("s", TEXT), 6: ("g", GRAPH),
        7: ("floats", REAL), 8: ("ints", NUMBER), 9: ("strings", TEXT),
        13: ("doc_string", TEXT), 20: ("type", NUMBER),
    },
    TENSOR: {
        1: ("dims", NUMBER), 2: ("data_type", NUMBER), 6: ("string_data", TEXT), 8: ("name", TEXT),
        9: ("raw_data", TEXT), 12: ("doc_string", TEXT), 13: ("external_data", ENTRY),
        14: ("data_location", NUMBER), 16: ("metadata_props", ENTRY),
    },
    VALUE: {1: ("name", TEXT), 2: ("type", TYPE), 3: ("doc_string", TEXT), 4: ("metadata_props", ENTRY)},
    TYPE: {1: ("tensor_type", OF_TENSOR), 6: ("denotation", TEXT)},
    OF_TENSOR: {1: ("elem_type", NUMBER), 2: ("shape", "TensorShapeProto")},
    "TensorShapeProto": {1: ("dim", "Dimension")},
    "Dimension": {1: ("dim_value", NUMBER), 2: ("dim_param", TEXT), 3: ("denotation", TEXT)},
}  # fmt: skip
GRAPH_FIELD, NODE_FIELD, OP_TYPE_FIELD, ATTRIBUTE_FIELD, BODY_FIELD = 7, 1, 4, 5, 6
KEPT = (OPSET, ENTRY, TYPE, OF_TENSOR)  # message types that are kept in their parent
# Bytes of a value, by the number of its ONNX element type.
SIZES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
STRING, INT64 = 8, 7  # element types
LOOP = "Loop"
EXTERNAL = 1  # the data location of external data


@dataclass
class ModelContents:
    """`weights` is the size of all weights, `longest` that of the longest text in outputs, in bytes."""

    weights: int = 0
    longest: int = 0
    takes_text: bool = False


def scan(path: Path, *, whole: bool = True) -> tuple[Metadata, ModelContents]:
    """The metadata of an artifact and the contents of its graph, which is scanned if `whole` is true.
    `ArtifactError` if dlc did not write the file."""
    try:
        with opened(path) as look:
            return from_texts(look.metadata()), look.graph() if whole else look.contents
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"there is no file {path}") from None
    except OSError as error:
        raise ArtifactError(f"{path} {reading.why(error)}") from None
    except ValueError as error:
        raise not_an_artifact(path, str(error)) from None


def not_an_artifact(path: Path, why: str) -> ArtifactError:
    return ArtifactError(f"{path} is not an artifact of dlc: {why}")


@contextmanager
def opened(path: Path) -> Iterator[ModelScan]:
    """A scan of the file of an artifact. OSError, or ValueError if it is not an ONNX file."""
    with mapped(path) as content:
        yield ModelScan(content, path.parent)


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """The bytes of a model file. OSError, or ValueError if it is empty."""
    with reading.open_file(path, MAX_FILE) as file:
        if not os.fstat(file.fileno()).st_size:
            raise ValueError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            yield content


def node_types(content: Buffer) -> set[str]:
    """The operators of the nodes of a model that is not scanned, also in loops. ValueError if it is not an
    ONNX file."""

    def parts(place: Place, wanted: int) -> Iterator[Place]:
        found = (value for number, _, value in fields(content, place) if number == wanted)
        return (value for value in found if isinstance(value, tuple))

    graphs = [*parts((0, len(content)), GRAPH_FIELD)]
    outer = [node for graph in graphs for node in parts(graph, NODE_FIELD)]
    bodies = [
        body
        for node in outer
        for attribute in parts(node, ATTRIBUTE_FIELD)
        for body in parts(attribute, BODY_FIELD)
    ]
    nodes = outer + [node for body in bodies for node in parts(body, NODE_FIELD)]
    return {bytes(content[start:end]).decode("utf-8", "replace")
            for node in nodes for start, end in parts(node, OP_TYPE_FIELD)}  # fmt: skip


class ModelScan:
    """One pass over the bytes of a model."""

    def __init__(self, content: Buffer, folder: Path) -> None:
        self._content, self._folder = content, folder
        self._parts = self._items = self._depth = 0
        self._bodies = 0  # of the node that is read
        self._bounds: list[str] = []  # the names of the values that bound loops
        self._counts: dict[str, int] = {}  # constants of one integer, by name
        self._inputs: set[str] = set()  # a caller may give others in place of constants of these names
        self.contents = ModelContents()
        place = (0, len(content))
        self._model = self._message("ModelProto", place, opaque=GRAPH)

    def metadata(self) -> dict[str, str]:
        """The metadata of the model. ValueError if it is too long or not text."""
        found: dict[str, str] = {}
        entries = self._model.get("metadata_props", [])
        if (
            sum(_length(place) for entry in entries for places in entry.values() for place in places)
            > MAX_TEXT
        ):
            raise ValueError(f"its metadata takes more than {MAX_TEXT:_} bytes")
        for entry in entries:
            name, text = self._entry(entry)
            if name in found:
                raise ValueError(f"its metadata has two texts `{shorten(name)}`")
            found[name] = text
        return found

    def graph(self) -> ModelContents:
        """The contents of the graph. ValueError for anything that dlc does not write."""
        for opset in self._model.get("opset_import", []):
            if (domain := self._text_of(opset, "domain")) not in WRITTEN:
                raise ValueError(f"it has operators of `{shorten(domain)}`, and dlc writes none of those")
        for place in self._model.get("graph", []):
            self._message(GRAPH, place)
        counts = (0 if name in self._inputs else self._counts.get(name, 0) for name in self._bounds)
        if any(not 0 < count <= MOST_STEPS for count in counts):
            raise ValueError(f"it has a loop that is not bounded by {MOST_STEPS:_} steps")
        return self.contents

    # --- messages -----------------------------------------------------------------------------------------

    def _message(self, kind: str, place: Place, opaque: str = "") -> Fields:
        """The fields of a message by name. Messages in it are scanned in order."""
        found: Fields = {}
        for number, wire, value in fields(self._content, place):
            name, what = LAYOUT[kind].get(number, ("", ""))
            if wire not in WIRES.get(what, (BYTES,)) or not name:
                raise ValueError(f"its {kind} holds what dlc does not write (field {number})")
            self._count(name)
            if what in WIRES:
                packed = wire == BYTES and what == NUMBER
                values = self._numbers(value, name) if packed and isinstance(value, tuple) else [value]
                found.setdefault(name, []).extend(values)
            elif what == opaque:
                found.setdefault(name, []).append(value)
            elif isinstance(value, tuple):
                self._part(kind, name, what, value, found)
        return found

    def _part(self, kind: str, name: str, what: str, place: Place, found: Fields) -> None:
        if what == GRAPH and kind == ATTRIBUTE:
            self._body(place)
            return
        part = self._message(what, place)
        if what == NODE:
            self._node(part)
        elif what == ATTRIBUTE:
            self._attribute(part)
        elif what == TENSOR and self._depth:
            raise ValueError("it has a loop with weights of its own, which dlc does not write")
        elif what == TENSOR:
            self._tensor(part)
        elif kind == GRAPH and name == "input" and not self._depth:
            self._input(part)
        if what in KEPT:
            found.setdefault(name, []).append(part)

    def _body(self, place: Place) -> None:
        """The body of a loop, which has no loops and no weights itself."""
        if self._depth:
            raise ValueError("it has a loop in a loop, which dlc does not write")
        self._depth += 1
        self._message(GRAPH, place)
        self._depth -= 1
        self._bodies += 1

    def _count(self, name: str) -> None:
        if name in ITEMS:
            self._items += 1
        else:
            self._parts += 1
        if self._parts > MAX_PARTS or self._items > MAX_ITEMS:
            raise ValueError(
                f"it has more than {MAX_PARTS:_} parts, or {MAX_ITEMS:_} names and numbers in lists"
            )

    def _numbers(self, place: Place, name: str) -> list[int]:
        """Packed integers."""
        at, end = place
        found = []
        while at < end:
            number, at = varint(self._content, at, end)
            found.append(number)
            self._count(name)
        return found

    def _node(self, node: Fields) -> None:
        name, domain = self._text_of(node, "op_type"), self._text_of(node, "domain")
        if name not in WRITTEN.get(domain, ()):
            raise ValueError(f"it has the operator `{shorten(name)}`, which dlc does not write")
        if self._bodies != (name == LOOP):
            raise ValueError(
                "it has a loop without one body, or a body without a loop, which dlc does not write"
            )
        self._bodies = 0
        if name == LOOP:
            self._bounds.append(self._text(node.get("input", [(0, 0)])[0]))

    def _attribute(self, attribute: Fields) -> None:
        self._texts(*attribute.get("s", ()), *attribute.get("strings", ()))
        if self._text_of(attribute, "name") == "to" and STRING in attribute.get("i", ()):
            raise ValueError("it turns numbers into text, which dlc does not write")

    def _input(self, value: Fields) -> None:
        self._inputs.add(self._text_of(value, "name"))
        types = [t for of in value.get("type", ()) for t in of.get("tensor_type", ())]
        self.contents.takes_text |= any(STRING in t.get("elem_type", ()) for t in types)

    def _tensor(self, tensor: Fields) -> None:
        """Check that the size of a weight or a constant matches its shape."""
        shape, element = tensor.get("dims", []), tensor.get("data_type", [0])[-1]
        if len(shape) > MAX_RANK or (element not in SIZES and element != STRING):
            raise ValueError("it has a weight of no known type")
        count, texts = prod(shape), tensor.get("string_data", [])
        stored = sum(map(_length, tensor.get("raw_data", ())))
        size = 0 if element == STRING else count * SIZES[element]
        if tensor.get("data_location", [0])[-1] == EXTERNAL:
            self._external(tensor, size)
            stored += size
        if stored != size or len(texts) != (count if element == STRING else 0):
            raise ValueError("it has a weight that is not as large as it says")
        self._texts(*texts)
        self.contents.weights += size
        if element == INT64 and not shape and tensor.get("raw_data"):
            name, (start, end) = self._text_of(tensor, "name"), tensor["raw_data"][-1]
            if name in self._counts:
                raise ValueError(f"it has two constants `{shorten(name)}`")
            self._counts[name] = int.from_bytes(self._content[start:end], "little", signed=True)

    def _external(self, tensor: Fields, size: int) -> None:
        """Check external data: its file is in the folder of the model, and contains all of it."""
        entries = dict(self._entry(entry) for entry in tensor.get("external_data", []))
        location = entries.get("location", "")
        path = self._folder / location
        if (
            os.path.basename(location) != location
            or location in ("", ".", "..")
            or set(location) & {"\\", ":"}
        ):
            raise ValueError(f"it has weights in '{shorten(location, 80)}', which is not a file next to it")
        if path.is_symlink():
            raise ValueError(f"it has weights in {shorten(location, 80)}, which is a link")
        offset, length = entries.get("offset", "0"), entries.get("length", str(size))
        whole = all(text.isascii() and text.isdecimal() and len(text) < 20 for text in (offset, length))
        try:
            if not whole or int(length) != size or int(offset) + size > reading.check(path):
                raise ValueError(
                    f"it has a weight in {shorten(location, 80)} that is not as large as it says"
                )
        except FileNotFoundError:
            raise ValueError(
                f"the file {shorten(location, 80)}, which holds its weights, is not next to it"
            ) from None
        except OSError as error:
            raise ValueError(
                f"it has weights in {shorten(location, 80)}, which {reading.why(error)}"
            ) from None

    def _entry(self, entry: Fields) -> tuple[str, str]:
        return self._text_of(entry, "key"), self._text_of(entry, "value")

    # --- texts --------------------------------------------------------------------------------------------

    def _texts(self, *places: Place) -> None:
        """Texts that may be in outputs."""
        for place in places:
            self._text(place)
            self.contents.longest = max(self.contents.longest, _length(place))

    def _text_of(self, message: Fields, name: str) -> str:
        """The text in a field of a message, empty if there is none; of several texts the last one."""
        return self._text(message.get(name, [(0, 0)])[-1])

    def _text(self, place: Place) -> str:
        start, end = place
        if end - start > MAX_TEXT:
            raise ValueError(f"it holds a text longer than {MAX_TEXT:_} bytes")
        try:
            return self._content[start:end].decode()
        except UnicodeDecodeError:
            raise ValueError("it holds a text that is not in UTF-8") from None


def _length(place: Place) -> int:
    return place[1] - place[0]
