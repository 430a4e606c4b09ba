"""Options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

NUMBERED = re.compile(r"cuda:\d{1,4}", re.ASCII)


class SettingType(click.ParamType):
    """`NAME=value` for a param: the value has the syntax of a spec, and a bare word is text. Or
    `SECTION.NAME=value` for a setting, also in a step or a phase: the value is an expression of the
    language."""

    name = "NAME=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        name, text = name.strip(), text.strip()
        if not equals or not text or not all(map(str.isidentifier, name.split("."))):
            self.fail(f"expected NAME=value or SECTION.NAME=value, found `{value}`", param, ctx)
        try:
            return name, text if "." in name else literal(text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def literal(text: str) -> Any:
    """A value in the syntax of a spec: a number, text, true, false, none or a list. ValueError for others."""
    from dlc.compiler import syntax
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.parse.parser import parse

    problems = Problems()
    statements = parse(Source("--set", f"value = {text}"), problems).body
    if problems.failed or len(statements) != 1 or not isinstance(statements[0], syntax.Bind):
        raise ValueError(f"`{text}` is not a value: expected a number, text, true, false or a list")
    return _value(statements[0].value)


def _value(expr: Any) -> Any:
    from dlc.compiler import syntax

    if isinstance(expr, syntax.Literal):
        return expr.value
    if isinstance(expr, syntax.Name):
        return expr.id
    if isinstance(expr, (syntax.ListExpr, syntax.TupleExpr)):
        return [_value(item) for item in expr.items]
    if isinstance(expr, syntax.Unary) and expr.operator in "+-":
        number = _value(expr.operand)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            return -number if expr.operator == "-" else number
    raise ValueError(f"`{expr.span.text}` is not a value: expected a number, text, true, false or a list")


def told(settings: Iterable[tuple[str, Any]]) -> str:
    """What `--set` gives, as a spec writes it: `units = 12, train.epochs = 3`."""
    from dlc.compiler.definitions.definition import spell_value

    texts = {name: value if "." in name else spell_value(value) for name, value in settings}
    return ", ".join(f"{name} = {text}" for name, text in texts.items())


set_option = click.option(
    "--set", "settings", type=SettingType(), multiple=True,
    help="Give a param, or a setting such as train.epochs or train.STEP.optimizer, another value; may be "
         "repeated.",
)  # fmt: skip

data_option = click.option(
    "--data", metavar="SOURCE",
    help="Rows in place of the spec's own: a csv, parquet or npz file, a folder of pictures or recordings, "
    "an idx folder, or a built-in set.",
)  # fmt: skip


seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), metavar="NUMBER",
    help="The seed of answers that are drawn at random.  [default: that of the training]",
)  # fmt: skip


class MemoryType(click.ParamType):
    """An amount of memory, in bytes."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from dlc.runtime.memory import share

        try:
            return share(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


memory_option = click.option(
    "--memory", type=MemoryType(),
    help="How much of it the rows may take, such as 500M or 4G.  [default: half of what is free]",
)  # fmt: skip


class DeviceType(click.Choice):
    """A kind of device, or a GPU by its index, such as `cuda:1`."""

    def __init__(self) -> None:
        super().__init__(["auto", "cpu", "cuda", "cuda:N", "mps"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if NUMBERED.fullmatch(value) else super().convert(value, param, ctx)


class LogType(click.ParamType):
    """The name of a log."""

    name = "LOG"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from dlc.runtime.logs.logs import check_name

        try:
            return check_name(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


log_option = click.option(
    "--log", type=LogType(), multiple=True,
    help="Log the epochs for another tool: tensorboard, mlflow or FILE.csv; may be repeated.",
)  # fmt: skip

form_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Text for people, or JSON for tools.",
)  # fmt: skip


device_option = click.option(
    "--device", type=DeviceType(), default="auto", show_default=True,
    help="Where to train; auto takes a GPU if there is one.",
)  # fmt: skip


def setting_meant(option: str, ctx: click.Context | None) -> str:
    """The setting of a spec that is meant by an unknown option, as `--epochs`; empty if there is none."""
    if ctx is None or not any(param.name == "settings" for param in ctx.command.params):
        return ""
    from dlc.compiler.definitions import aliases
    from dlc.compiler.definitions.definition import family
    from dlc.reference.words import keys

    own = {w.name: w.page for w in reversed([*keys()]) if w.page in ("train", "data")}
    optimizers = family("optimizer")
    default = optimizers["adam"]
    of_optimizers = {name: d.name for d in (*optimizers.values(), default) for name in d.settings}
    name = option.lstrip("-").replace("-", "_")
    name = name if name in own | of_optimizers else aliases.called(name, own | of_optimizers)
    if name in own:
        return f"it is a setting of the spec: `--set {own[name]}.{name}=...`"
    if name:
        return f"it is a setting of the spec: `--set 'train.optimizer={of_optimizers[name]}({name}=...)'`"
    return ""
