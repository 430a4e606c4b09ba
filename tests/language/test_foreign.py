"""What other libraries call the things of the language leads to things that there are, and the right ones."""

from __future__ import annotations

import inspect
import re

import pytest
import torch

import dlc.compiler.sections
import dlc.compiler.training.section  # noqa: F401  with it all that is defined
from dlc.compiler import foreign
from dlc.compiler.definition import STAGES, Definition
from dlc.compiler.dialects.words import LIBRARIES
from dlc.compiler.elaborate.scope import is_public
from dlc.compiler.later import LATER, later
from dlc.compiler.operators.base import Operator
from dlc.compiler.suggest import nearest
from dlc.compiler.types import ELEMENTS

OTHERS = [family for family in Definition.families if family not in STAGES]


def modules() -> dict[str, str]:
    """The modules of `torch.nn` that operators are emitted as, each with its operator."""
    found: dict[str, str] = {}
    for name, operator in Definition.families["operator"].items():
        if issubclass(operator, Operator) and operator.public:
            for module in re.findall(r"\bnn\.([A-Z]\w+)", inspect.getsource(operator.module)):
                found.setdefault(module, name)
    return found


@pytest.mark.parametrize("module", modules())
def test_a_module_of_pytorch_is_the_operator_that_is_emitted_as_it(module: str) -> None:
    operator = modules()[module]
    assert foreign.named(module, *STAGES) in (operator, {"swish": "silu"}.get(operator))
    assert foreign.named(f"Lazy{module}", *STAGES) == foreign.named(module, *STAGES)


@pytest.mark.parametrize("family", ["optimizer", "schedule"])
def test_classes_of_pytorch_are_found_by_their_own_names(family: str) -> None:
    module = {"optimizer": torch.optim, "schedule": torch.optim.lr_scheduler}[family]
    known = Definition.families[family]
    said = {m: re.findall(r"torch `(\w+)`", known[m].summary()) for m in known}
    for member, names in said.items():
        assert all(hasattr(module, name) for name in names)
        assert [foreign.named(name, family) for name in names] == [member] * len(names)


def test_what_the_tables_lead_to_is_there_or_will_come() -> None:
    stages = {w for family in STAGES for w in (*Definition.families[family], *later(family))}
    others = {w for family in OTHERS for w in (*Definition.families[family], *later(family))}
    assert set(foreign.OPERATORS.values()) <= stages
    assert set(foreign.MEMBERS.values()) <= others
    assert {text.partition("(")[0] for text in foreign.TYPES.values()} <= set(ELEMENTS)
    settings = {s for members in Definition.families.values() for d in members.values() for s in d.settings}
    planned = {"heads", "layers", "temperature", *(w for words in LATER.values() for w in words)}
    assert {w for words in foreign.SETTINGS.values() for w in words} <= settings | planned | {"classes"}


def test_no_name_of_the_language_is_said_to_be_elsewhere() -> None:
    stages = {w for family in STAGES for w in Definition.families[family] if is_public(family, w)}
    tables = (foreign.PHRASES, foreign.ABSENT, foreign.CONSTANTS, foreign.OPERATORS)
    assert [sorted(stages & set(table)) for table in tables] == [[]] * len(tables)
    assert not stages & LIBRARIES


def test_no_class_of_pytorch_is_taken_for_a_typo_of_another() -> None:
    names = [name for name, thing in vars(torch.nn).items() if inspect.isclass(thing)]
    stages = [w for family in STAGES for w in Definition.families[family]]
    unknown = [name for name in names if not foreign.operator(name) and name not in foreign.ABSENT]
    taken = {name: nearest(name, stages) for name in unknown if not later_of(name)}
    assert {name: word for name, word in taken.items() if word} == {}


def later_of(name: str) -> bool:
    return foreign.named(name, *STAGES) in later("operator", "loss")
