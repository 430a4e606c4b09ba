"""The page of an error or warning code: its meaning, a spec that has it, and the corrected spec."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.codes import CHECK, GROUPS, SPEC, codes, page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.diagnostics.codes import Case, CodePage


def explained(code: str) -> str:
    """The page of a code."""
    of = page(code)
    kept = {name for name, text in of.fixed.files.items() if of.wrong.files.get(name) == text}
    changed = [name for name in of.fixed.files if name not in kept]
    parts = [f"# {code}: {of.title}", of.why, of.fix]
    if code.startswith("W") and not code.startswith("W00"):
        parts.append(f"If it is intended, write at the end of the line: `# allow {code}: why`.")
    parts += ["## Wrong", *files(of.wrong, list(of.wrong.files))]
    if of.wrong.commands == CHECK:
        parts += [f"`{CHECK[0]}` prints:", fenced("text", check_output(of))]
    else:
        parts += [*commands(of.wrong), "Output:", fenced("text", of.wrong.output)]
    parts += ["## Fixed", *files(of.fixed, changed)]
    if of.fixed.commands != of.wrong.commands:
        parts += commands(of.fixed)
    return "\n\n".join(parts) + "\n"


def files(case: Case, names: list[str]) -> Iterator[str]:
    """The files of these names; a single spec is shown without its name."""
    for name in names:
        if list(case.files) != [SPEC]:
            yield f"`{name}`:"
        yield fenced(name.rpartition(".")[2], case.files[name])


def commands(case: Case) -> Iterator[str]:
    yield "Commands:"
    yield fenced("sh", "".join(f"{command}\n" for command in case.commands))


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def check_output(of: CodePage) -> str:
    """The errors or warnings of the wrong spec."""
    from dlc.compiler import CompileError, Source, compile
    from dlc.compiler.diagnostics.render import render

    def read(importing: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
        return Source(name, of.wrong.files[name])

    try:
        diagnostics = compile(Source(SPEC, of.wrong.files[SPEC]), read=read).warnings
    except CompileError as error:
        diagnostics = error.diagnostics
    return "\n\n".join(map(render, diagnostics))


def listed(link: str = "`{}`", begin: str = "") -> str:
    """The codes that start with `begin`, by group, with their titles. `link` is the format of a code."""
    parts = []
    for group, title in GROUPS.items():
        found = [code for code in codes() if code.startswith(group) and code.startswith(begin)]
        if found:
            parts += [f"## {title}", "\n".join(f"- {link.format(code)} {page(code).title}" for code in found)]
    return "\n\n".join(parts) + "\n"
