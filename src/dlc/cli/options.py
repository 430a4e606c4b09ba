"""Options that several commands share."""

from __future__ import annotations

from typing import Any

import click


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
    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.parse import parse
    from dlc.compiler.source import Source

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

device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
    help="Where to train; auto takes a GPU if there is one.",
)  # fmt: skip
