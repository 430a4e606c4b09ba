"""Options that several commands share."""

from __future__ import annotations

import re
from typing import Any

import click

NUMBERED = re.compile(r"cuda:\d{1,4}", re.ASCII)


class SettingType(click.ParamType):
    """`NAME=value`, the value written as in a spec; a bare word is text."""

    name = "NAME=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        name, sign, text = value.partition("=")
        if not sign or not name.strip().isidentifier():
            self.fail(f"expected NAME=value, found `{value}`", param, ctx)
        try:
            return name.strip(), literal(text.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def literal(text: str) -> Any:
    """A value as a spec writes it: a number, text, true, false, none or a list. ValueError if it is none."""
    from dlc.compiler import syntax
    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.parse.parser import parse

    problems = Problems()
    statements = parse(Source("--set", f"value = {text}"), problems).body
    if problems.failed or len(statements) != 1 or not isinstance(statements[0], syntax.Bind):
        raise ValueError(f"`{text}` is no value: expected a number, text, true, false or a list")
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
    raise ValueError(f"`{expr.span.text}` is no plain value: expected a number, text, true, false or a list")


set_option = click.option(
    "--set", "settings", type=SettingType(), multiple=True,
    help="Give a param of the spec another value; may be repeated.",
)  # fmt: skip

data_option = click.option(
    "--data", metavar="SOURCE",
    help="Rows in place of the spec's own: a csv, parquet or npz file, an idx folder, or a built-in set.",
)  # fmt: skip


class DeviceType(click.Choice):
    """A kind of device, or one of several GPUs by its number, as in `cuda:1`."""

    def __init__(self) -> None:
        super().__init__(["auto", "cpu", "cuda", "cuda:N", "mps"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if NUMBERED.fullmatch(value) else super().convert(value, param, ctx)


device_option = click.option(
    "--device", type=DeviceType(), default="auto", show_default=True,
    help="Where to train; auto takes a GPU if there is one.",
)  # fmt: skip


def setting_meant(option: str, ctx: click.Context | None) -> str:
    """Where a spec says what is given as an option, `--epochs`; empty where it is no setting."""
    if ctx is None or not any(param.name == "settings" for param in ctx.command.params):
        return ""
    from dlc.compiler.definitions import aliases
    from dlc.compiler.definitions.definition import family
    from dlc.reference.words import keys

    own = {w.name: w.page for w in reversed([*keys()]) if w.page in ("train", "data")}
    optimizers = family("optimizer")
    last = optimizers["adam"]  # the one that is there without being named
    of_optimizers = {name: d.name for d in (*optimizers.values(), last) for name in d.settings}
    name = option.lstrip("-").replace("-", "_")
    name = name if name in own | of_optimizers else aliases.called(name, own | of_optimizers)
    if name in own:
        place = f"{own[name]} {{ {name} = ... }}"
    elif name:
        place = f"train {{ optimizer = {of_optimizers[name]}({name}=...) }}"
    else:
        return ""
    return f"it stands in the spec: `{place}`; `--set` changes a param"
