"""Aliases: names of other libraries map to existing words of the language, and to the right ones."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from itertools import combinations

import pytest
import torch
from imports import ROOT

import dlc.compiler.definitions.sections
import dlc.compiler.training.train_section  # noqa: F401  (registers all definitions)
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions import aliases, other_settings
from dlc.compiler.definitions.definition import STAGES, Definition
from dlc.compiler.definitions.libraries import LIBRARIES
from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED, unimplemented_words
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.elaborate.scope import is_public
from dlc.compiler.operators.base import Operator
from dlc.compiler.parse.dialects.words import BINDERS, TEMPLATES
from dlc.compiler.parse.keyword_help import KEYWORD_HELP
from dlc.compiler.types import ELEMENTS

OTHERS = [family for family in Definition.families if family not in STAGES]


def modules() -> dict[str, str]:
    """The modules of `torch.nn` as which operators are emitted, each with its operator."""
    found: dict[str, str] = {}
    for name, operator in Definition.families["operator"].items():
        if issubclass(operator, Operator) and operator.public:
            for module in re.findall(r"\bnn\.([A-Z]\w+)", inspect.getsource(operator.module)):
                found.setdefault(module, name)
    return found


@pytest.mark.parametrize("module", modules())
def test_a_pytorch_module_is_an_alias_of_the_operator_that_is_emitted_as_it(module: str) -> None:
    operator = modules()[module]
    assert aliases.named(module, *STAGES) in (operator, {"swish": "silu"}.get(operator))
    assert aliases.named(f"Lazy{module}", *STAGES) == aliases.named(module, *STAGES)


@pytest.mark.parametrize("family", ["optimizer", "schedule"])
def test_pytorch_classes_are_aliases_of_their_members(family: str) -> None:
    module = {"optimizer": torch.optim, "schedule": torch.optim.lr_scheduler}[family]
    known = Definition.families[family]
    documented = {m: re.findall(r"torch `(\w+)`", known[m].summary()) for m in known}
    for member, names in documented.items():
        assert all(hasattr(module, name) for name in names)
        assert [aliases.named(name, family) for name in names] == [member] * len(names)


def test_aliases_map_to_words_that_exist_or_are_planned() -> None:
    stages = {w for family in STAGES for w in (*Definition.families[family], *unimplemented_words(family))}
    others = {w for family in OTHERS for w in (*Definition.families[family], *unimplemented_words(family))}
    assert set(aliases.OPERATORS.values()) <= stages
    assert set(aliases.MEMBERS.values()) <= others
    assert {text.partition("(")[0] for text in aliases.TYPES.values()} <= set(ELEMENTS)
    settings = {s for members in Definition.families.values() for d in members.values() for s in d.settings}
    planned = {"heads", "layers", "temperature", *(w for words in UNIMPLEMENTED.values() for w in words)}
    assert {w for words in aliases.SETTINGS.values() for w in words} <= settings | planned | {"classes"}


def test_no_name_of_the_language_is_an_alias() -> None:
    stages = {w for family in STAGES for w in Definition.families[family] if is_public(family, w)}
    tables = (aliases.NAME_HELP, aliases.ABSENT, aliases.CONSTANTS, aliases.OPERATORS)
    assert [sorted(stages & set(table)) for table in tables] == [[]] * len(tables)
    assert not stages & LIBRARIES


def test_no_word_is_in_two_tables() -> None:
    tables = {"statements": KEYWORD_HELP, "names": aliases.NAME_HELP, "binders": BINDERS, "blocks": TEMPLATES,
              "libraries": LIBRARIES}  # fmt: skip
    twice = {(a, b): set(tables[a]) & set(tables[b]) for a, b in combinations(tables, 2)}
    # A type of C precedes the name of a variable, and converts a number when it is called.
    assert twice.pop(("names", "binders")) == {"int", "float", "bool", "str", "set"}
    assert twice.pop(("names", "libraries")) == {"pd"}  # the module of `read_csv`
    assert {pair: words for pair, words in twice.items() if words} == {}


def test_no_table_has_duplicate_keys() -> None:
    """The last of duplicate keys would win silently."""
    for name in (
        "compiler/definitions/aliases.py",
        "compiler/parse/syntax_hints.py",
        "compiler/parse/dialects/words.py",
    ):
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        tables = [n for n in tree.body if isinstance(n, (ast.Assign, ast.AnnAssign))]
        for table in tables:
            words = [word for node in ast.walk(table) if isinstance(node, (ast.Dict, ast.Set))
                     for word in words_of(node)]  # fmt: skip
            assert [word for word, count in Counter(words).items() if count > 1] == [], name


def words_of(table: ast.Dict | ast.Set) -> list[str]:
    """The keys of a dict or set display, including those of `dict.fromkeys` within it."""
    if isinstance(table, ast.Set):
        return [e.value for e in table.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    found = [k.value for k in table.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]
    spread = [v.args[0] for k, v in zip(table.keys, table.values, strict=True)
              if k is None and isinstance(v, ast.Call)]  # fmt: skip
    return found + [e.value for t in spread if isinstance(t, ast.Tuple) for e in t.elts
                    if isinstance(e, ast.Constant) and isinstance(e.value, str)]  # fmt: skip


def test_no_hint_names_an_unimplemented_feature() -> None:
    texts = [
        *aliases.NAME_HELP.values(),
        *other_settings.MOVED_SETTINGS.values(),
        *other_settings.UNNEEDED_SETTINGS.values(),
    ]
    spans = " ".join(span for text in texts for span in re.findall("`([^`]*)`", text))
    assert set(re.findall(r"\w+(?=\()|\.\w+", spans)) & {
        *unimplemented_words(*STAGES), *(f".{word}" for word in unimplemented_words("attribute"))
    } == set()  # fmt: skip
    known = {s for members in Definition.families.values() for d in members.values() for s in d.settings}
    assert set(re.findall(r"(\w+) ?= ?", spans)) - known <= {"x", "n", "name", "beta1", "f", "ignore"}


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("x -> Masking -> y", aliases.NAME_HELP["Masking"]),
        ("x -> Bidirectional(dense(3)) -> y", aliases.NAME_HELP["Bidirectional"]),
        ("x -> lstm(3, return_sequences=true) -> y", other_settings.MOVED_SETTINGS["return_sequences"]),
        ("x -> gru(3, unroll=true) -> y", "leave it out: recurrent layers are never unrolled"),
        ("x -> rnn(hidden_size=3) -> y", "it is called `units` here"),
        ("x -> rnn(3, nonlinearity=relu) -> y", "it is called `activation` here"),
        ("input z: uint\nx -> y", "write `int32`"),
        ("x -> y\nset h", "a value is given with `=`: `h = 3`"),
        ("x -> y\nmodel {\n}", "layers are written in a flow: `x -> dense(8) -> relu -> y`"),
        ("x -> y\nprint x", aliases.NAME_HELP["print"]),
        ("x -> y\nprint(x)", aliases.NAME_HELP["print"]),
        ("os.path -> y", "the words of the language are written without a module"),
    ],
)
def test_words_of_other_languages(text: str, help: str) -> None:
    with pytest.raises(CompileError) as error:
        compile(Source("m.dl", f"input x: float[3]\noutput y: float[3]\n{text}"))
    assert help in [d.help for d in error.value.diagnostics]


def test_no_pytorch_class_is_taken_for_a_typo_of_another() -> None:
    names = [name for name, thing in vars(torch.nn).items() if inspect.isclass(thing)]
    stages = [w for family in STAGES for w in Definition.families[family]]
    unknown = [name for name in names if not aliases.operator(name) and name not in aliases.ABSENT]
    taken = {name: nearest(name, stages) for name in unknown if not later_of(name)}
    assert {name: word for name, word in taken.items() if word} == {}


def later_of(name: str) -> bool:
    return aliases.named(name, *STAGES) in unimplemented_words("operator", "loss")
