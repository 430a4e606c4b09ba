"""The metadata of an artifact: JSON texts with the names below, in the metadata of the ONNX file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.file_sources import ColumnNamed
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.sections import UNITS, Columns, Csv, TextSource
from dlc.compiler.definitions.series import Ahead
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.dims.dim import free, number
from dlc.compiler.ir.graph import Output, Value
from dlc.compiler.operators.lengths import LENGTH
from dlc.compiler.operators.sampling import WORD
from dlc.compiler.passes.specialize import seed_of
from dlc.compiler.types import ELEMENTS, MAX_RANK, Classes, Tensor
from dlc.runtime.artifact import file_settings
from dlc.runtime.artifact.samples import limits_of
from dlc.runtime.artifact.versions import versions
from dlc.runtime.class_labels import classes_from_json
from dlc.runtime.data.columns.column_match import numbered_columns
from dlc.runtime.data.requirements import required_fields
from dlc.runtime.loaded_types import types_from_json, types_to_json
from dlc.runtime.strict_json import MAX_VALUES, all_are, count, is_dict_of, is_integer, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.definitions.data_families import DataSource
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.program import CompiledProgram

PREFIX = "dlc."
FORMAT = 1
UNSEALED = "0" * 64  # placeholder of the digest while it is computed
MAX_SIZE, MAX_NAME = 10**12, 1000  # of an axis; characters of a formula of free dimensions
MAX_NUMBER = 2**63
TEXTS = ("name", "spec", "fingerprint", "digest")  # not in JSON


@dataclass
class Metadata:
    """`spec` is the text of the spec, `imports` has the texts of imported files by name; types are declared
    types."""

    name: str
    spec: str
    imports: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    tensors: list[Any] = field(default_factory=list)  # the types of tensors that the spec loads
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)  # inputs of lengths, each with its dimension
    seed: int | None = None  # the default of the input `seed`, if it draws random numbers
    vocabularies: dict[str, int] = field(default_factory=dict)  # the classes of each, by key
    limits: dict[str, int] = field(default_factory=dict)  # maximum sizes of axes of inputs
    # The columns that fill a field, if they are not one column of its name.
    columns: dict[str, list[str]] = field(default_factory=dict)
    # What the texts of a field were cut into: `character` or `word`.
    units: dict[str, str] = field(default_factory=dict)
    # The tokenizers of inputs that take tokens of texts: the name of the text, `tokenizer.json` as text, and
    # the maximum number of tokens.
    tokenizers: dict[str, dict[str, Any]] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)  # of fields behind a window: the number of rows
    # The settings of the csv or Parquet file, other than the path, that are not at their defaults.
    table: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)  # the settings of `text`, other than the path
    folder: dict[str, Any] = field(
        default_factory=dict
    )  # the settings of `images` or `audio`, and which it is
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # how the files of a field were read
    drop: bool = False  # whether training left out rows that miss a value
    # The metrics of `dlc eval`, by output.
    metrics: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)  # of the training
    fingerprint: str = ""  # of the data
    versions: dict[str, str] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    digest: str = ""  # of the whole file
    format: int = FORMAT

    def texts(self) -> dict[str, str]:
        """The metadata entries of the ONNX file."""
        return {
            PREFIX + key: value if key in TEXTS else json.dumps(value) for key, value in asdict(self).items()
        }


# --- reading ----------------------------------------------------------------------------------------------


def from_texts(texts: Mapping[str, str]) -> Metadata:
    """Parse the metadata entries of an ONNX file. ValueError if dlc does not write them so."""
    found = {key.removeprefix(PREFIX): text for key, text in texts.items() if key.startswith(PREFIX)}
    if "spec" not in found:
        raise ValueError("it holds no spec: dlc did not write it")
    version = from_json(found.get("format", "none"), "format")
    if version != FORMAT:
        raise ValueError(f"it is of format {shorten(version)}, this version of dlc reads format {FORMAT}")
    if sum(count(text) for key, text in found.items() if key not in TEXTS) > MAX_VALUES:
        raise ValueError(f"its metadata is made of more than {MAX_VALUES:_} values")
    values = {
        key: found[key] if key in TEXTS else from_json(found[key], key)
        for key in Metadata.__dataclass_fields__
        if key in found
    }
    metadata = Metadata(**{"name": "", **values})
    check(metadata)
    return metadata


def from_json(text: str, key: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"its `{PREFIX}{key}` is {error}") from None


def check(metadata: Metadata) -> None:
    """Refuse metadata with another structure than dlc writes."""
    texts_by_name = ("imports", "versions", "lengths")
    named = ("params", "figures", "parity", "proof", *texts_by_name)
    wrong = [key for key in named if not isinstance(getattr(metadata, key), dict)]
    wrong += [k for k in texts_by_name if k not in wrong and not all_are(str, getattr(metadata, k).values())]
    wrong += [k for k in ("inputs", "outputs") if not is_dict_of(getattr(metadata, k), dict)]
    if not is_dict_of(metadata.columns, list) or not all(map(names_of_columns, metadata.columns.values())):
        wrong.append("columns")
    if not are_tokenizers(metadata.tokenizers, metadata.inputs):
        wrong.append("tokenizers")
    if not are_units(metadata.units):
        wrong.append("units")
    for key in ("limits", "ahead", "vocabularies"):
        sizes = getattr(metadata, key)
        if not is_dict_of(sizes, int) or not all(0 < n <= MAX_SIZE for n in sizes.values()):
            wrong.append(key)
    if not are_settings(Csv, metadata.table):
        wrong.append("table")
    if metadata.text != {} and not are_settings(TextSource, metadata.text):
        wrong.append("text")
    wrong += file_settings.wrong(metadata.folder, metadata.files)
    if not isinstance(metadata.drop, bool):
        wrong.append("drop")
    seed = metadata.seed
    if seed is not None and not (is_integer(seed) and 0 <= seed < WORD):
        wrong.append("seed")
    if not is_dict_of(metadata.metrics, list) or not all(all_are(dict, m) for m in metadata.metrics.values()):
        wrong.append("metrics")
    if wrong:
        raise ValueError(f"its `{PREFIX}{wrong[0]}` is not as dlc writes it")
    if not all(map(is_name, (*metadata.inputs, *metadata.outputs))):
        raise ValueError("its inputs and outputs have names that dlc does not write")
    for type in (*metadata.inputs.values(), *metadata.outputs.values()):
        type_from_json(type)
    if not are_lengths(metadata.lengths, metadata.inputs):
        raise ValueError(f"its `{PREFIX}lengths` is not as dlc writes it")
    if metadata.ahead and "window" not in metadata.table:
        raise ValueError(f"its `{PREFIX}ahead` is not as dlc writes it")
    types_from_json(metadata.tensors)


def is_name(text: str) -> bool:
    """Whether it is a valid name of an input, an output or a tensor such as `y.logits`."""
    return len(text) <= MAX_NAME and text.replace(".", "_").isidentifier()


def names_of_columns(value: list[Any]) -> bool:
    return bool(value) and all_are(str, value)


def are_lengths(lengths: Mapping[str, str], inputs: Mapping[str, dict[str, Any]]) -> bool:
    """Whether these are inputs of lengths, each of a dimension that another input has."""
    dims = {size for name, type in inputs.items() if name not in lengths for size in type["shape"]}
    given = [type_from_json(inputs[name]) for name in lengths if name in inputs]
    return given == [LENGTH] * len(lengths) and dims >= {*lengths.values()}


def are_units(value: Any) -> bool:
    return is_dict_of(value, str) and {*value.values()} <= {*UNITS}


def are_tokenizers(value: Any, inputs: Any) -> bool:
    """Whether each of these makes the tokens of an input of a text."""
    if not is_dict_of(value, dict) or not isinstance(inputs, dict) or not value.keys() <= inputs.keys():
        return False
    return all(map(is_tokenizer, value.values()))


def is_tokenizer(given: dict[str, Any]) -> bool:
    if given.keys() != {"text", "tokenizer", "max_length"}:
        return False
    text, tokenizer, most = given["text"], given["tokenizer"], given["max_length"]
    named = isinstance(text, str) and is_name(text) and isinstance(tokenizer, str)
    return named and (most is None or (is_integer(most) and most > 0))


def are_settings(kind: type[DataSource], written: Any) -> bool:
    """Whether a source of a spec takes these settings."""
    try:
        source_from_json(kind, written)
    except (Reject, KeyError, TypeError, AttributeError):
        return False
    return True


def source_from_json(kind: type[DataSource], written: dict[str, Any]) -> DataSource:
    """The source with these settings, and an empty path."""
    return kind(path="", **{key: kind.settings[key].kind.accept(value) for key, value in written.items()})


def source_to_json(source: DataSource | None) -> dict[str, Any]:
    """The settings of a source, other than the path, that are not at their defaults."""
    if source is None:
        return {}
    return {k: v for k, v in source.values().items() if k != "path" and v != source.settings[k].default}


def source_like(metadata: Metadata) -> DataSource:
    """The source that the model was trained on, with an empty path. `Csv` has all settings of tables."""
    if metadata.folder:
        return file_settings.folder_from_json(metadata.folder)
    kind, written = (TextSource, metadata.text) if metadata.text else (Csv, metadata.table)
    return source_from_json(kind, written)


# --- types ------------------------------------------------------------------------------------------------


def type_to_json(type: Tensor) -> dict[str, Any]:
    classes = type.classes
    return {
        "element": type.element,
        "shape": [s if isinstance(s, int) else str(s) for s in type.shape],
        "classes": None if classes is None or type.element != "class" else number(classes.count),
        "names": None if classes is None or classes.names is None else list(classes.names),
        **({"numbers": list(classes.labels)} if classes and classes.labels and not classes.names else {}),
        **({"found_in": classes.found_in} if classes and classes.found_in else {}),
        **({"missing": True} if type.missing else {}),
        **({"ignore": list(type.ignore)} if type.ignore else {}),
        **({"blank": True} if type.blank else {}),
        **({"decoded": True} if type.decoded else {}),
        **({"end": True} if classes and classes.end else {}),
        **({"words": list(type.words)} if type.words else {}),
    }


def answer_to_json(exported: Output | Value) -> dict[str, Any]:
    """The type of an output and the name of its target, or the type of a tensor."""
    if isinstance(exported, Value):  # classes are numbers within the graph
        classes = exported.type.classes and Classes(exported.type.classes.count)
        return {**type_to_json(replace(exported.type, classes=classes)), "target": None}
    return {**type_to_json(exported.answered), "target": exported.target}


def type_from_json(written: Mapping[str, Any]) -> Tensor:
    """The type from its JSON value. ValueError if it is not a type."""
    element, shape = written.get("element"), written.get("shape")
    sound = element in ELEMENTS and isinstance(shape, list) and len(shape) <= MAX_RANK
    if not sound or not all(map(is_size, shape or [])):
        raise no_type(written)
    assert isinstance(shape, list) and isinstance(element, str)
    classes = None
    if element in ("class", "binary"):
        kind, labels = (str, written["names"]) if written.get("names") else (int, written.get("numbers"))
        count = 2 if element == "binary" else written.get("classes")
        try:
            classes = classes_from_json(count, labels, str(written.get("found_in", "")))
        except ValueError:
            raise no_type(written) from None
        if not all_are(kind, classes.labels or ()):
            raise no_type(written)
    sizes = tuple(s if isinstance(s, int) else free(s) for s in shape)
    ignore = written.get("ignore", [])
    if not isinstance(ignore, list) or not all(v is None or is_value(v) for v in ignore):
        raise no_type(written)
    blank = written.get("blank", False)
    if blank is not False and (blank is not True or element != "class" or len(sizes) != 1):
        raise no_type(written)
    words = written.get("words", [])
    if not isinstance(words, list) or not all_are(str, words) or (words and element != "string"):
        raise no_type(written)
    missing, decoded = written.get("missing") is True, written.get("decoded") is True
    if decoded and (element != "class" or len(sizes) != 1):
        raise no_type(written)
    if classes is not None and written.get("end") is True:
        classes = replace(classes, end=True)
    return Tensor(
        element,
        sizes,
        classes,
        missing=missing,
        ignore=tuple(ignore),
        blank=blank,
        decoded=decoded,
        words=tuple(words),
    )


def is_value(value: Any) -> bool:
    """A finite number or a text."""
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, str) or (is_integer(value) and abs(value) < MAX_NUMBER)


def no_type(written: Mapping[str, Any]) -> ValueError:
    return ValueError(f"it has an invalid type: {shorten(written, 80)}")


def is_size(value: Any) -> bool:
    """A number, or the name or formula of a free dimension."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_NAME and value.isprintable()
    return is_integer(value) and 0 < value <= MAX_SIZE


# --- writing ----------------------------------------------------------------------------------------------


def describe(
    program: CompiledProgram,
    graph: Graph,
    spec: str,
    inputs: Mapping[str, Tensor],
    columns: Mapping[str, Any] | None = None,
    lengths: Mapping[str, str] = MappingProxyType({}),
    units: Mapping[str, str] | None = None,
) -> Metadata:
    """The metadata of a program that is known before training. `graph` is its inference form; `inputs` are
    the inputs of the artifact; `columns`, the columns that filled each field, and `units`, what its texts
    were cut into, replace those of `data`; `lengths` are the inputs of lengths, each with its dimension."""
    fields = program.data.fields if program.data else {}
    metrics: dict[str, list[dict[str, Any]]] = {}
    for output, metric in program.metrics:
        metrics.setdefault(output, []).append({"name": metric.name, **metric.values()})
    return Metadata(
        name=program.name,
        spec=spec,
        imports={s.name: s.text for s in program.sources[1:] if s.name != "std"},
        params=program.overrides,
        tensors=types_to_json(program.facts.tensors),
        inputs={n: type_to_json(t) for n, t in inputs.items()},
        outputs={name: answer_to_json(exported) for name, exported in program.exports},
        lengths=dict(lengths),
        seed=seed_of(program),
        vocabularies={key: known.count for key, known in program.facts.vocabularies.items()},
        limits=limits_of((*program.graph.nodes, *graph.nodes), inputs),
        columns=other_columns(program, columns or {}),
        units=dict(units or units_of(program)),
        tokenizers=tokenizers_of(program, inputs),
        ahead={n: f.n for n, f in fields.items() if isinstance(f, Ahead)},
        table=source_to_json(program.data.table if program.data else None),
        text=source_to_json(program.data.text if program.data else None),
        folder=file_settings.folder_to_json(program.data.folder if program.data else None),
        files=file_settings.files_to_json(program),
        drop=bool(program.data and program.data.drop),
        metrics=metrics,
        versions=versions(),
    )


def tokenizers_of(program: CompiledProgram, inputs: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """The tokenizers that are applied before the artifact, by the input of their tokens."""
    outside = [node for node in program.readers if node.operator.outside and node.results[0].name in inputs]
    return {
        node.results[0].name: {
            "text": node.operands[0].name,
            "tokenizer": node.operator.vocabulary.tokenizer,
            "max_length": node.operator.max_length,
        }
        for node in outside
    }


def other_columns(program: CompiledProgram, filled: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The columns of each field, except for fields with one column of their name."""
    fields = program.data.fields if program.data is not None else {}
    written = {n: f.columns for n, f in fields.items() if isinstance(f, (Columns, Ahead))}
    written |= {n: (f.column,) for n, f in fields.items() if isinstance(f, ColumnNamed)}
    if program.data is not None and program.data.csv is not None and not program.data.csv.header:
        written |= numbered_columns(required_fields(program), program.data.csv.window)
    once = {n: list(dict.fromkeys(columns)) for n, columns in {**written, **filled}.items()}
    return {n: columns for n, columns in once.items() if columns != [n]}


def units_of(program: CompiledProgram) -> dict[str, str]:
    """The unit of each field that only a text can fill: in a source of text."""
    if program.data is None or not isinstance(program.data.source, (Csv, TextSource)):
        return {}
    return {w.name: w.unit for w in required_fields(program) if w.unit}
