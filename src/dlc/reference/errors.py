"""A code as a page: what it means, a spec that has it, and the same spec fixed."""

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
        parts.append(f"If it is intended, say so at the end of the line: `# allow {code}: why`.")
    parts += ["## Wrong", *files(of.wrong, list(of.wrong.files))]
    if of.wrong.commands == CHECK:
        parts += [f"`{CHECK[0]}` says:", fenced("text", said(of))]
    else:
        parts += [*typed(of.wrong), "It says:", fenced("text", of.wrong.output)]
    parts += ["## Fixed", *files(of.fixed, changed)]
    if of.fixed.commands != of.wrong.commands:
        parts += typed(of.fixed)
    return "\n\n".join(parts) + "\n"


def files(case: Case, names: list[str]) -> Iterator[str]:
    """The files of these names, the spec without its name where it stands alone."""
    for name in names:
        if list(case.files) != [SPEC]:
            yield f"`{name}`:"
        yield fenced(name.rpartition(".")[2], case.files[name])


def typed(case: Case) -> Iterator[str]:
    yield "This is typed:"
    yield fenced("sh", "".join(f"{command}\n" for command in case.commands))


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def said(of: CodePage) -> str:
    """What the compiler says of the wrong spec."""
    from dlc.compiler import CompileError, Source, compile
    from dlc.compiler.diagnostics.render import render

    def beside(importing: Source, path: str) -> Source:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(importing.name), path))
        return Source(name, of.wrong.files[name])

    try:
        told = compile(Source(SPEC, of.wrong.files[SPEC]), read=beside).warnings
    except CompileError as error:
        told = error.diagnostics
    return "\n\n".join(map(render, told))


def listed(link: str = "`{}`", begin: str = "") -> str:
    """Codes by group with their titles, those that begin so; `link` is how a code is written."""
    parts = []
    for group, title in GROUPS.items():
        found = [code for code in codes() if code.startswith(group) and code.startswith(begin)]
        if found:
            parts += [f"## {title}", "\n".join(f"- {link.format(code)} {page(code).title}" for code in found)]
    return "\n\n".join(parts) + "\n"
