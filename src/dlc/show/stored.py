"""The spec in an ONNX file: its text, and its program. The model is not run."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler import CompileError, Source, among, compile
from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.elaborate.given_settings import is_setting
from dlc.compiler.program import Facts
from dlc.compiler.vocabularies import MISSING, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.artifact.metadata import Metadata


def read_metadata(path: Path) -> Metadata:
    """The metadata of an artifact. `ArtifactError` if dlc did not write the file."""
    from dlc.runtime.artifact.model_scan import scan
    from dlc.runtime.run_folder import model_at

    return scan(model_at(path), whole=False)[0]


def program_of(
    metadata: Metadata,
    *,
    as_written: bool = False,
    vocabularies: Mapping[str, Vocabulary] = MappingProxyType({}),
) -> CompiledProgram:
    """The program of an artifact, with the classes of its data and the types of the tensors that it loads.
    `as_written`: without the values that a command gave. Of vocabularies only the counts are known, unless
    they are given."""
    from dlc.runtime.artifact.metadata import type_from_json
    from dlc.runtime.loaded_types import types_from_json

    types = map(type_from_json, (*metadata.inputs.values(), *metadata.outputs.values()))
    classes = {t.classes.found_in: t.classes for t in types if t.classes and t.classes.found_in}
    known = {key: vocabularies.get(key, Vocabulary(n)) for key, n in metadata.vocabularies.items()}
    facts = Facts(classes, types_from_json(metadata.tensors), vocabularies=known)
    read = among(Source(name, text) for name, text in metadata.imports.items())
    return compile(source_of(metadata), params={} if as_written else metadata.params, facts=facts, read=read)


def with_spellings(program: CompiledProgram, path: Path) -> CompiledProgram:
    """The program of an artifact with the spellings of its vocabularies, from the tables of the file."""
    import onnx_ir as ir

    from dlc.runtime.artifact.model_scan import scan
    from dlc.runtime.run_folder import model_at

    metadata, _ = scan(model_at(path))
    tables = {node.name: node.attributes for node in ir.load(path).graph if node.op_type == "LabelEncoder"}
    known: dict[str, Vocabulary] = {}
    for node in program.readers:
        table, reading = tables.get(f"{node.name}/LabelEncoder", {}), node.operator.reading
        if reading is not None and {"keys_strings", "values_int64s"} <= table.keys():
            pairs = zip(table["keys_strings"].as_strings(), table["values_int64s"].as_ints(), strict=False)
            spelled = [pair for pair in pairs if pair[1] != MISSING]
            texts, numbers = zip(*spelled, strict=True) if spelled else ((), ())
            known[reading.key] = Vocabulary(metadata.vocabularies[reading.key], texts, numbers)
    return program_of(metadata, vocabularies=known) if known else program


def source_of(metadata: Metadata) -> Source:
    return Source(f"{metadata.name}.dl", metadata.spec)


def spec_of(metadata: Metadata) -> str:
    """The text of the spec with the values that a command gave."""
    if not metadata.params:
        return metadata.spec
    from dlc.compiler.elaborate.given_values import with_values

    own = params_as_written(metadata)
    params = {n: spell_value(v) for n, v in metadata.params.items() if not is_setting(n) and v != own.get(n)}
    settings = {n: str(text) for n, text in metadata.params.items() if is_setting(n)}
    return with_values(source_of(metadata), params, settings) if params or settings else metadata.spec


def params_as_written(metadata: Metadata) -> Mapping[str, Any]:
    """The params of the spec without the values that a command gave; empty if it has errors without them."""
    try:
        return program_of(metadata, as_written=True).params
    except CompileError:
        return {}
