"""The settings of a section: read one by one, with the errors of those that are unknown or written twice."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases, other_settings, step_settings
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.sections import Data
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.elaborate import arguments
from dlc.compiler.elaborate.scope import outer_sections_first
from dlc.compiler.elaborate.values import BROKEN, Halt
from dlc.compiler.training.minimization import Minimization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.elaborate.context import Evaluator

PARTS_OF_TRAIN = ("step", "phase")
# Where a `step` and a `phase` may stand.
PLACES = {
    "step": "steps stand in `train { }` or in a `phase`, one beside the other",
    "phase": "phases stand in `train { }`, one after the other",
}


def section(ev: Evaluator, definition: type[Definition], written: syntax.Section | None,
            extra: Callable[[syntax.Bind], bool] | None = None) -> Any:  # fmt: skip
    """An instance of the section from its settings. `None` if the file does not have the section.
    `extra` handles a setting outside of the definition, and returns whether it did."""
    if written is None:
        return None
    statements = [*statements_of(ev, written.body)]
    for statement in statements:
        if not isinstance(statement, syntax.Bind):
            report_statement(ev, statement, definition.name)
    settings = [s for s in statements if isinstance(s, syntax.Bind)]
    return filled(ev, definition, written, settings, extra=extra)


def filled(
    ev: Evaluator,
    definition: type[Definition],
    written: syntax.Section,
    settings: Sequence[syntax.Bind],
    around: Mapping[str, Any] = MappingProxyType({}),
    extra: Callable[[syntax.Bind], bool] | None = None,
) -> Any:
    """An instance of the section. `around` are the values of settings that it does not write."""
    values: dict[str, Any] = {}
    spans: dict[str, Any] = {}
    for statement in settings:
        try:
            if extra and extra(statement):
                continue
            declared = setting_for(ev, definition, statement, values, written.body)
            values[declared.name] = None
            values[declared.name] = value_of(
                ev, definition, declared, with_optimizer_settings(statement, written.body)
            )
            spans[declared.name] = statement.value.span
        except Halt:
            if len(statement.targets) == 1:
                values.pop(statement.targets[0].id, None)
    return definition(**{**around, **values}).placed(written.name.span, spans)


def value_of(ev: Evaluator, definition: type[Definition], declared: Setting, value: syntax.Expr) -> Any:
    at = ev.within(ev.scope, losses=declared.name == "loss")
    return arguments.value_of(at, definition, declared, value)


def statements_of(ev: Evaluator, body: tuple[syntax.Statement, ...]) -> Iterator[syntax.Statement]:
    """The statements of a section. Of an `if`, only those of the chosen branch."""
    for statement in body:
        if isinstance(statement, syntax.If):
            try:
                yield from statements_of(
                    ev, statement.then if ev.condition(statement.condition) else statement.otherwise
                )
            except Halt:
                continue
        else:
            yield statement


def report_statement(ev: Evaluator, statement: syntax.Statement, section: str) -> None:
    """The error of a statement of a section that is no setting."""
    report = ev.state.problems.report
    if isinstance(statement, syntax.Section):
        word = statement.name.id
        report("E0509", statement.span, f"`{word}` is not allowed in `{section}`", help=PLACES.get(
            word, "sections stand at the top of a file"))  # fmt: skip
    elif isinstance(statement, syntax.For):
        each = "each step and each phase" if section in ("train", *PARTS_OF_TRAIN) else "each setting"
        report("E0602", statement.span, f"`for` cannot stand in `{section}`",
               help=f"write {each} on its own; `if` may choose between them")  # fmt: skip
    else:
        report("E0602", statement.span, "expected a setting, `name = value`")


def setting_for(ev: Evaluator, definition: type[Definition], statement: syntax.Bind, values: dict[str, Any],
           body: Sequence[syntax.Statement]) -> Any:  # fmt: skip
    """The setting that a statement of a section sets."""
    key = statement.targets[0]
    if len(statement.targets) > 1:
        raise ev.fail("E0602", statement.span, "a setting has one name")
    if key.id in unimplemented_words(definition.name):
        raise ev.reject(key.span, not_built(definition.name, key.id))
    if key.id not in definition.settings:
        raise unknown_setting(ev, definition, statement, body)
    if key.id in values:
        raise ev.fail("E0407", key.span, f"`{key.id}` is set twice")
    return definition.settings[key.id]


def unknown_setting(ev: Evaluator, definition: type[Definition], statement: syntax.Bind,
               body: Sequence[syntax.Statement]) -> Halt:  # fmt: skip
    """The error for an unknown setting. If the name is an alias, the value is checked too."""
    key = statement.targets[0]
    names = [*definition.settings, *unimplemented_words(definition.name)]
    fields = (ev.scope.file.inputs, ev.scope.file.outputs) if definition is Data else ()
    if fields and is_reported(ev, key.id):
        return Halt()
    trains = issubclass(definition, Minimization)
    own = (step_settings.help(definition.name, key.id) or optimizer_setting(key.id, body)) if trains else ""
    help = own or aliases.setting(key.id, names)
    span = statement.span if help.startswith("leave it out") else key.span
    halt = ev.fail("E0601", span, f"`{definition.name}` has no setting `{key.id}`",
                   help=help or in_other_section(definition, key.id)
                        or ev.state.nearest.did_you_mean(key.id, lambda: [*names, *chain(*fields)])
                        or ("a name of your own is for the `loss`: use it there, or remove it; "
                            if "loss" in definition.settings else "")
                        + f"its settings are {', '.join(f'`{n}`' for n in definition.settings)}",
                   )  # fmt: skip
    meant = aliases.called(key.id, definition.settings) if not own else ""
    if meant:
        with suppress(Halt):
            value_of(ev, definition, definition.settings[meant], statement.value)
    return halt


def is_reported(ev: Evaluator, name: str) -> bool:
    """Whether the declaration of a field is lost or has an error, or its name is reported as unknown."""
    recovery = ev.state.recovery
    failed = ev.scope.file.groups.get(name) is BROKEN
    return failed or name in recovery.names or name in recovery.unknown_names


def optimizer_setting(name: str, body: Sequence[syntax.Statement]) -> str:
    """The fix for a setting of the optimizer that is written beside it."""
    if name not in aliases.OPTIMIZERS_OWN:
        return ""
    known = Definition.families["optimizer"]
    own = aliases.OPTIMIZERS_OWN[name]
    chosen = known.get(_optimizer(body)) or known["sgd" if own == "momentum" else "adam"]
    if own not in chosen.settings:
        return f"`{chosen.name}` has none; {other_settings.REGULARIZE}"
    given = f"{own}=..." if own == "lr" or not chosen.settings["lr"].required else f"lr=..., {own}=..."
    return f"it belongs to the optimizer: `optimizer = {chosen.name}({given})`"


def _optimizer(body: Sequence[syntax.Statement]) -> str:
    """The name, in this language, of the optimizer in the body of `train`."""
    for statement in body:
        if isinstance(statement, syntax.Bind) and statement.targets[0].id == "optimizer":
            head = statement.value.function if isinstance(statement.value, syntax.Call) else statement.value
            name = head.id if isinstance(head, syntax.Name) else getattr(head, "name", "")
            return name if name in Definition.families["optimizer"] else aliases.named(name, "optimizer")
    return ""


def with_optimizer_settings(statement: syntax.Bind, body: Sequence[syntax.Statement]) -> syntax.Expr:
    """The value of a setting. An optimizer includes its settings that are wrongly written beside it."""
    value, chosen = statement.value, Definition.families["optimizer"].get(_optimizer(body))
    if statement.targets[0].id != "optimizer" or chosen is None:
        return value
    call = value if isinstance(value, syntax.Call) else syntax.Call(value.span, value, ())
    in_order = [s.name for s in chosen.settings.values() if not s.keyword]
    given = {a.name or in_order[i] for i, a in enumerate(call.arguments) if a.name or i < len(in_order)}
    beside = [(aliases.OPTIMIZERS_OWN.get(s.targets[0].id), s) for s in body if isinstance(s, syntax.Bind)]
    added = [syntax.Argument(s.value, name, s.targets[0].span) for name, s in beside
             if name in chosen.settings and name not in given]  # fmt: skip
    return syntax.Call(call.span, call.function, (*call.arguments, *added)) if added else value


def in_other_section(definition: type[Definition] | None, name: str) -> str:
    """The fix for a setting, or an alias of a setting, of another section."""
    for section in outer_sections_first():
        words = (name, *aliases.SETTINGS.get(name, ()))
        found = next((word for word in words if word in section.settings), "")
        if found and section is not definition:
            opened = f"{section.name} NET" if section.name == "step" else section.name
            return f"it belongs in `{section.name}`: `{opened} {{ {found} = ... }}`"
    return ""
