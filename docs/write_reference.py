"""Writes `reference.md` from the definitions, and `errors/` from the pages of the codes:
`python docs/write_reference.py`; `--check` only looks."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlc.compiler.operators
import dlc.compiler.sections
import dlc.compiler.training.section  # noqa: F401
from dlc.compiler.codes import codes
from dlc.compiler.definition import REQUIRED, Definition, Setting, family, spell_value
from dlc.compiler.later import later
from dlc.compiler.operators.base import Operator
from dlc.reference import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DOCS = Path(__file__).parent
ERRORS = "errors"  # the folder of the pages of codes
EXAMPLES = 3  # of each operator, at most

HEAD = """# Reference

Every word of the language that is built, made from the definitions by `python docs/write_reference.py`. What
the language is as a whole says [language.md](language.md).

Settings are given in the order shown or by name; those after `*` by name alone. One without `=` has to be \
given."""

FAMILIES = (
    ("optimizer", "Optimizers",
     "`optimizer = adam(lr=0.01)` in `train`. Names and defaults are those of `torch.optim`."),
    ("schedule", "Schedules",
     "`schedule = cosine(warmup=100)` in `train`. They count in steps, `plateau` in epochs."),
    ("regularizer", "Regularizers",
     "`regularize = l2(1e-4)` in `train`, or a list. On the weights of layers, never biases or norms."),
    ("weights", "Trained weights",
     "`weights = load(\"encoder.safetensors\", into=encoder)` in `train`, or a list."),
    ("clip", "Clipping", "`clip = norm(1)` in `train`."),
    ("stopping", "Early stopping", "`early_stop = patience(5)` in `train`."),
    ("metric", "Metrics", "`metrics = [accuracy, f1]` in `train`; `test.accuracy >= 0.9` in `expect`."),
    ("initial", "Initial values", "`init=orthogonal` of a layer, and what a declared `weight` begins with."),
    ("source", "Sources", "`source = csv(\"flowers.csv\")` in `data`."),
    ("field", "Fields", "`FIELD = column(\"Other name\")` in `data`, for an input or target of that name."),
)  # fmt: skip

GROUPS = {
    "layers": "Layers", "classes": "Classes", "convolution": "Convolutions",
    "normalization": "Normalization", "activations": "Activations",
    "pooling": "Pooling", "resampling": "Resampling",
    "shape": "Shapes", "joining": "Joining and parting", "mathematics": "Mathematics",
    "reductions": "Reductions", "regularization": "Training only", "learnt": "Learnt from the training rows",
}  # fmt: skip


def reference() -> str:
    parts = [
        HEAD,
        *operators(),
        *combinators(),
        *losses(),
        *unbuilt("operator", "loss"),
        *signs(),
        *sections(),
    ]
    for name, title, how in FAMILIES:
        parts += [f"## {title}", how, *entries(family(name).values()), *unbuilt(name)]
    return "\n\n".join(parts) + "\n"


# --- operators --------------------------------------------------------------------------------------------


def operators() -> Iterator[str]:
    yield "## Operators"
    yield "Shapes are those of one sample; `T`, `H` and `W` in the rows are free dimensions."
    found = {name: [] for name in GROUPS}
    for definition in family("operator").values():
        if issubclass(definition, Operator) and definition.public:
            if definition.group not in found:
                sys.exit(f"`{definition.name}` is of `{definition.group}`, which has no heading in GROUPS")
            found[definition.group].append(definition)
    for module, title in GROUPS.items():
        yield f"### {title}"
        yield from entries(found[module])


def entries(definitions: Iterable[type[Definition]]) -> Iterator[str]:
    """A paragraph each; those without settings that stand side by side as lines of one list."""
    for has_settings, group in groupby(definitions, key=lambda d: bool(d.settings)):
        alike = list(group)
        if has_settings or len(alike) == 1:
            yield from map(entry, alike)
        else:
            yield "\n".join(f"- `{d.name}`: {text(d)}" for d in alike)


def combinators() -> Iterator[str]:
    yield "### Combinators"
    yield from entries(family("combinator").values())


def losses() -> Iterator[str]:
    yield "## Losses"
    yield ("`loss = mse(price)` in `train` holds an output against its target, `mse(prediction, target)` a "
           "tensor against another. A loss is an expression: `mse(a) + 0.1 * mae(b)`.")  # fmt: skip
    yield from entries(family("loss").values())


def signs() -> Iterator[str]:
    yield "## Signs"
    yield "On tensors, with NumPy's broadcasting on sample shapes."
    made = [d for d in family("operator").values() if issubclass(d, Operator) and d.sign]
    yield "\n".join(f"- {text(d)}" for d in made)


# --- one definition ---------------------------------------------------------------------------------------


def entry(definition: type[Definition]) -> str:
    """Its call, what it does, its settings, and rows of its examples."""
    lines = [f"**`{call(definition)}`** {text(definition)}"]
    if definition.settings:
        lines += ["", *(f"- {described(s)}" for s in in_order(definition))]
    return "\n".join([*lines, *rows(definition)])


def call(definition: type[Definition]) -> str:
    """`conv(channels, kernel, stride=1, *, init=auto)`."""
    arguments = list(map(spelled, in_order(definition)))
    plain = sum(not s.keyword for s in definition.settings.values())
    if plain < len(arguments):
        arguments.insert(plain, "*")
    return f"{definition.name}({', '.join(arguments)})" if arguments else definition.name


def in_order(definition: type[Definition]) -> list[Setting]:
    """Settings given by name alone stand last."""
    return sorted(definition.settings.values(), key=lambda s: s.keyword)


def spelled(setting: Setting) -> str:
    if setting.rest:
        return f"{setting.name}..."
    return setting.name if setting.required else f"{setting.name}={default(setting)}"


def default(setting: Setting) -> str:
    return (
        setting.shown
        if setting.default is None and " " not in setting.shown and setting.shown
        else spell(setting.default)
    )


def spell(value: Any) -> str:
    return repr(value) if isinstance(value, Definition) else spell_value(value)


def described(setting: Setting) -> str:
    """`kernel`: extent of the filter; a whole number of at least 1. Default: ..."""
    kind = setting.kind.describe()
    words = f"`{setting.name}`: {setting.doc} ({kind})"
    if setting.default is None and setting.shown:
        words += f"; if not given: {setting.shown}"
    if setting.usual is not None:
        words += "; usual are {:g} to {:g} (`W0410`)".format(*setting.usual)
    return words


def text(definition: type[Definition]) -> str:
    paragraphs = (definition.__doc__ or "").strip().split("\n\n")
    return " ".join(" ".join(p.split()) for p in paragraphs)


def rows(definition: type[Definition]) -> list[str]:
    """The first accepted examples with a type each, in a line."""
    if not issubclass(definition, Operator) or not definition.settings:
        return []
    good = [e for e in definition.examples if not e.rejects and e.gives][:EXAMPLES]
    shown = [f"`{joined(e.takes)} -> {e.call} : {joined(e.gives)}`" for e in good]
    return ["", "For example " + ", ".join(shown) + "."] if shown else []


def joined(types: str | tuple[str, ...]) -> str:
    return types if isinstance(types, str) else f"({', '.join(types)})"


def unbuilt(*families: str) -> Iterator[str]:
    listed = ", ".join(f"`{n}`" for n in later(*families))
    if listed:
        yield f"Not built yet: {listed}."


# --- sections --------------------------------------------------------------------------------------------


def sections() -> Iterator[str]:
    yield "## Sections"
    for name, definition in sorted(family("section").items()):
        yield f"### `{name}`"
        yield text(definition)
        lines = ["| setting | default | what it is | takes |", "|---|---|---|---|"]
        for s in definition.settings.values():
            given = (
                ""
                if s.default is REQUIRED
                else s.shown
                if s.default is None and s.shown
                else f"`{spell(s.default)}`"
            )
            lines.append(f"| `{s.name}` | {given} | {s.doc} | {s.kind.describe()} |")
        yield "\n".join(lines)
        yield from unbuilt(name)
    yield "### `expect`"
    yield ("Comparisons that `dlc test` checks, of numbers, shapes and figures: `parameters == 61_706`, "
           "`flops <= 1e6`, `shape(h) == [16, 5, 5]`, `test.accuracy >= 0.98`; with several outputs "
           "`test.OUTPUT.accuracy`.")  # fmt: skip


def index_of_errors() -> str:
    head = """# Errors and warnings

What every code means, with a spec that has it and the same spec mended; `dlc explain CODE` says the same. \
Codes that begin with W are warnings: `# allow W0410: why` at the end of a line silences one there.
"""
    return f"{head}\n{errors.listed('[{0}]({0}.md):')}"


# --- files ------------------------------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """Every page that is made, by its path."""
    made = {f"{ERRORS}/{code}.md": errors.explained(code) for code in codes()}
    return {
        DOCS / name: text
        for name, text in {
            "reference.md": reference(),
            f"{ERRORS}/README.md": index_of_errors(),
            **made,
        }.items()
    }


def main() -> None:
    made = pages()
    changed = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    stale = [path for path in DOCS.glob(f"{ERRORS}/*") if path not in made]
    if "--check" in sys.argv and changed + stale:
        names = ", ".join(path.relative_to(DOCS).as_posix() for path in changed + stale)
        sys.exit(f"not up to date: {names}: python docs/write_reference.py")
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path], encoding="utf-8", newline="\n")
    for path in stale:
        path.unlink()
    if changed or stale:
        print(f"wrote {len(changed)} pages, deleted {len(stale)}")


if __name__ == "__main__":
    main()
