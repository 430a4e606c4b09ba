"""Two specs, runs or artifacts side by side: what they are made of, and the figures that they have."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import CompileError, compile
from dlc.compiler.differences import differences
from dlc.compiler.passes.cost import multiply_adds, parameters
from dlc.paths import in_runs, is_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from dlc.compiler.differences import Difference
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.program import CompiledProgram, Facts

ROWS = "fingerprint of the rows"
HOW = ("device", "threads", "data", "ended")  # what is compared of `run.json`


@dataclass(frozen=True)
class Side:
    """One of two things that are compared: a spec, a run or an artifact. `figures` are those of its weights,
    by part of the data; `facts` say how it was trained: on what, on which data, with which versions."""

    title: str
    program: CompiledProgram
    figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    learnt: bool = False  # whether the program has facts that training found in data

    @property
    def parameters(self) -> Size:
        return parameters(self.program.graph)

    @property
    def multiply_adds(self) -> Size:
        """Those of one sample at inference."""
        from dlc.compiler.passes import specialize

        return multiply_adds(specialize.inference(self.program).nodes)


@dataclass(frozen=True)
class SideBySide:
    """Two sides and what differs between them."""

    before: Side
    after: Side

    @property
    def differences(self) -> list[Difference]:
        return differences(self.before.program, self.after.program)

    def facts(self) -> dict[str, tuple[str, str]]:
        """What both sides tell of their training, and differently."""
        before, after = self.before.facts, self.after.facts
        common = (name for name in before if name in after)
        return {name: (before[name], after[name]) for name in common if before[name] != after[name]}

    def figures(self) -> dict[str, tuple[float | None, float | None]]:
        """The figures of both sides, as `test.accuracy`; empty unless both have some."""
        before, after = (named(side.figures) for side in (self.before, self.after))
        names = dict.fromkeys((*before, *after)) if before and after else {}
        return {name: (before.get(name), after.get(name)) for name in names}


def named(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Figures by their whole names: `test.accuracy`."""
    parts = ((part, of) for part, of in figures.items() if isinstance(of, dict))
    return {f"{part}.{name}": value for part, of in parts for name, value in of.items()
            if value is None or isinstance(value, (int, float))}  # fmt: skip


def compare(before: str, after: str, read_spec: Callable[[str, Facts | None], CompiledProgram]) -> SideBySide:
    """Compare what two paths name. `read_spec` compiles the spec at a path; a spec whose classes or words are
    found in its data takes them from a run or an artifact on the other side."""
    sides = [side_at(path, read_spec) for path in (before, after)]
    for n in (0, 1):
        if sides[1 - n].learnt and not sides[n].learnt and waits(sides[n].program):
            facts = sides[1 - n].program.facts
            sides[n] = replace(sides[n], program=read_spec((before, after)[n], facts))
    return SideBySide(*sides)


def waits(program: CompiledProgram) -> bool:
    """Whether types of the program depend on its data."""
    declared = [x.declared for x in (*program.inputs, *program.outputs)]
    return bool(program.readers) or any(x.classes and not isinstance(x.classes.count, int) for x in declared)


def side_at(path: str, read_spec: Callable[[str, Facts | None], CompiledProgram]) -> Side:
    from pathlib import Path

    if is_model(path):
        return artifact_at(Path(path))
    return run_at(Path(path)) if in_runs(path) else Side(path, read_spec(path, None))


def artifact_at(path: Path) -> Side:
    from dlc.show.stored import program_of, read_metadata

    metadata = read_metadata(path)
    facts = {ROWS: short(metadata.fingerprint)} | versions(metadata.versions)
    with naming(path):
        program = program_of(metadata)
    return Side(str(path), program, metadata.figures, given(facts), learnt=True)


def run_at(path: Path) -> Side:
    from dlc.runtime.run_record import read_record
    from dlc.runtime.run_spec import read_spec

    record = read_record(path)
    spec, how = read_spec(record.folder), record.how
    with naming(path):
        program = compile(spec.source, params=spec.params, facts=spec.facts, read=spec.read)
    facts = {
        ROWS: short(record.data.get("fingerprint")),
        **versions(how.get("versions")),
    }
    facts |= {
        key: str(how[key]) for key in ("device", "threads", "data", "ended") if how.get(key) is not None
    }
    facts["epochs"] = str(len(record.epochs)) if record.epochs else ""
    return Side(str(path), program, record.figures, given(facts), learnt=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Note in a `CompileError` of the block where the spec is from. Dlc compiled it once: another version."""
    try:
        yield
    except CompileError as error:
        error.add_note(f"this is the spec in {path}, which this version of dlc cannot compile")
        raise


def short(fingerprint: Any) -> str:
    return fingerprint[:12] if isinstance(fingerprint, str) and fingerprint else ""


def versions(found: Any) -> dict[str, str]:
    return {f"version of {name}": str(v) for name, v in found.items()} if isinstance(found, dict) else {}


def given(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in facts.items() if text}
