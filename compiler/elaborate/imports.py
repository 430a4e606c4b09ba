"""`import`: blocks and nets of another file or of the standard library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import reading, syntax
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.diagnostics.source import MAX_BYTES, Source
from dlc.compiler.elaborate import declarations
from dlc.compiler.elaborate.scope import FileScope, Scope
from dlc.compiler.elaborate.values import BROKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.elaborate.context import Evaluator

    Declare = Callable[[Evaluator, syntax.File], None]

MAX_FILES = 50


def run(ev: Evaluator, statement: syntax.Import, declare: Declare) -> None:
    """Bind the imported names. `declare` reads the declarations of the imported file."""
    file = load(ev, statement, declare)
    for ident in statement.names:
        declarations.require_valid(ev, ident)
        found = file.templates.get(ident.id)
        if found is None:
            meant, help = ev.state.nearest.suggestion(ident.id, lambda: file.templates)
            if meant:
                ev.scope.file.templates.setdefault(meant, BROKEN)
            raise ev.fail("E0307", ident.span, f"{statement.path} has no block or net `{ident.id}`",
                          help=help or (f"it has {listed(file.templates)}" if file.templates
                                        else "it has none"))  # fmt: skip
        ev.scope.file.templates[ident.id] = found
        if found is not BROKEN and found.is_net and ev.scope is ev.state.top:
            ev.builder.net_name(found)


def load(ev: Evaluator, statement: syntax.Import, declare: Declare) -> FileScope:
    """The declarations of the imported file. Each file is read once."""
    state, path = ev.state, (ev.scope.file.source.name, statement.path, statement.is_std)
    if path not in state.texts:
        state.texts[path] = read(ev, statement)
    source, loaded = state.texts[path], state.imported
    if source.name in loaded:
        known = loaded[source.name]
        if known is None:
            raise ev.fail("E0308", statement.path_span, f"{source.name} imports itself in a circle")
        return known
    if source.name == state.sources[0].name:
        raise ev.fail("E0308", statement.path_span, f"{source.name} imports itself")
    if len(loaded) >= MAX_FILES:
        raise ev.fail("E0902", statement.path_span, f"more than {MAX_FILES} files are imported")
    loaded[source.name] = None
    file = FileScope(source)
    declare(ev.within(Scope(file, top=True)), state.parse(source))
    loaded[source.name] = file
    return file


def read(ev: Evaluator, statement: syntax.Import) -> Source:
    if statement.is_std:
        return Source("std", reading.shipped(reading.__file__, "std.dl"))
    if not statement.path.endswith(".dl"):
        help = "the shipped blocks are imported `from std`, without quotes" if statement.path == "std" else ""
        raise ev.fail(
            "E0307",
            statement.path_span,
            f"expected the path of a `.dl` file, found {statement.path}",
            help=help,
        )
    try:
        return ev.state.read(ev.scope.file.source, statement.path)
    except reading.Unreadable as error:
        help = f"an imported file is a text file of at most {MAX_BYTES:_} bytes, as the spec is"
        raise ev.fail("E0307", statement.path_span, f"{statement.path} {error.strerror}", help=help) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a text file"
        raise ev.fail("E0307", statement.path_span, f"{statement.path} cannot be read: {reason}",
                      help="the path is relative to this file") from None  # fmt: skip


def break_declared(file: FileScope, statement: syntax.Statement) -> None:
    """Mark the names of a failed declaration as broken."""
    if isinstance(statement, syntax.Param):
        file.params.setdefault(statement.name.id, BROKEN)
    elif isinstance(statement, (syntax.Block, syntax.AverageNet)):
        file.templates.setdefault(statement.name.id, BROKEN)
    elif isinstance(statement, syntax.Import):
        for ident in statement.names:
            file.templates.setdefault(ident.id, BROKEN)
    elif isinstance(statement, syntax.Input):
        for ident in (*statement.names, *([statement.group] if statement.group else [])):
            if ident.id not in file.inputs and ident.id not in file.groups:
                file.groups[ident.id] = BROKEN
    elif isinstance(statement, syntax.Output):
        file.outputs[statement.name.id] = BROKEN  # of two outputs with one name, neither is used
