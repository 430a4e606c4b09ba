"""The tree builder: makes the nodes of the syntax tree. Each method has the name of a grammar rule."""

from __future__ import annotations

import re
from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING, Any

from lark import Token

from dlc.compiler import syntax
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.parse.brackets import MAX_NESTING
from dlc.compiler.parse.tokens import span_of
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_STEPS = 10_000
MAX_DIGITS = 30

_ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n", "\\t": "\t"}
_CONSTANTS = {"TRUE": True, "FALSE": False, "NONE": None}


class RejectedStatement(Exception):
    """An error in a statement that the grammar accepts."""

    def __init__(self, code: str, span: Span, message: str, help: str = "") -> None:
        self.diagnostic = Diagnostic(code, message, (Label(span),), (), help)


@record(eq=False)
class _Body:
    """Statements between braces."""

    span: Span
    statements: tuple[syntax.Statement, ...]


def _path_help(text: str) -> str:
    """The help for a Windows path with backslashes; empty if the text is not a path."""
    plain = text.replace("\\\\", "/").replace("\\", "/")
    is_path = re.fullmatch(r"[A-Za-z]:[\w ./-]+|[\w ./-]*/[\w .-]+[.]\w{1,10}", plain)
    return f'write `"{plain}"`' if is_path and len(plain) <= 100 else ""


class TreeBuilder:
    """The lark transformer; the parser calls it at every reduction."""

    def begin(self, source: Source) -> None:
        """Start a new text."""
        self.source = source
        self._depth: dict[Any, int] = {}
        self._chain_lengths: dict[Any, int] = {}  # length of the chain of operators that ends in a `Binary`

    # --- statements -----------------------------------------------------------------------------------------

    def import_(self, parts: list) -> syntax.Import:
        names, (_, path) = self._leading_names(parts[1:])
        is_std = path.type == "NAME"
        if is_std and path != "std":
            message = "the file of an import is written in quotes"
            raise RejectedStatement("E0102", self._span(path), message, f'write `"{path}.dl"`')
        text = "std" if is_std else self.string([path]).value
        return self._node(syntax.Import, parts, names, text, self._span(path), is_std)

    def param(self, parts: list) -> syntax.Param:
        return self._node(syntax.Param, parts, self._ident(parts[1]), parts[3])

    def input(self, parts: list) -> syntax.Input:
        names, (_, type_, *group) = self._leading_names(parts[1:])
        return self._node(syntax.Input, parts, names, type_, self._ident(group[1]) if group else None)

    def output(self, parts: list) -> list[syntax.Output]:
        """`output a, b: type` declares two outputs."""
        names, (_, type_, *target) = self._leading_names(parts[1:])
        other = self._ident(target[1]) if target else None
        return [self._node(syntax.Output, parts, name, type_, other) for name in names]

    def weight(self, parts: list) -> syntax.Weight:
        return self._node(syntax.Weight, parts, self._ident(parts[1]), parts[3], parts[5])

    def block(self, parts: list) -> syntax.Block:
        word, name, _, tensors, *settings, _, body = parts
        fields = (tensors, settings[1] if settings else (), body.statements, word.type == "NET")
        return self._node(syntax.Block, parts, self._ident(name), *fields)

    def average_net(self, parts: list) -> syntax.AverageNet:
        return self._node(syntax.AverageNet, parts, self._ident(parts[1]), parts[3])

    def tensors(self, parts: list) -> tuple[syntax.Ident, ...]:
        return self._leading_names(parts)[0]

    def settings(self, parts: list) -> tuple[syntax.BlockSetting, ...]:
        return tuple(part for part in parts if not isinstance(part, Token))

    def setting(self, parts: list) -> syntax.BlockSetting:
        setting = syntax.BlockSetting(self._ident(parts[0]), parts[2] if len(parts) > 1 else None)
        self._note_depth(setting, parts)
        return setting

    def section(self, parts: list) -> syntax.Section:
        names, (body,) = self._leading_names(parts[1:])
        return self._node(syntax.Section, parts, self._ident(parts[0]), names, body.statements)

    def return_(self, parts: list) -> syntax.Return:
        return self._node(syntax.Return, parts, tuple(parts[1::2]))

    def for_(self, parts: list) -> syntax.For:
        names, (_, iterable, body) = self._leading_names(parts[1:])
        return self._node(syntax.For, parts, names, iterable, body.statements)

    def if_(self, parts: list) -> syntax.If:
        _, condition, then, *rest = parts
        otherwise = rest[1] if rest else None
        if isinstance(otherwise, _Body):
            otherwise = otherwise.statements
        elif otherwise:
            otherwise = (otherwise,)
        return self._node(syntax.If, parts, condition, then.statements, otherwise or ())

    def bind(self, parts: list) -> syntax.Bind:
        names, (_, value) = self._leading_names(parts)
        return self._node(syntax.Bind, parts, names, value)

    def evaluate(self, parts: list) -> syntax.Evaluate:
        return self._node(syntax.Evaluate, parts, parts[0])

    def body(self, parts: list) -> _Body:
        return self._node(_Body, parts, tuple(part.value for part in parts[1:-1]))

    # --- expressions ----------------------------------------------------------------------------------------

    def conditional(self, parts: list) -> syntax.Conditional:
        return self._node(syntax.Conditional, parts, *parts[::2])

    def flow(self, parts: list) -> syntax.Flow:
        steps = tuple(parts[::2])
        if len(steps) > MAX_STEPS:
            raise RejectedStatement("E0104", self._span(parts[1]), f"a flow of more than {MAX_STEPS:_} steps")
        return self._node(syntax.Flow, parts, steps)

    def binary(self, parts: list) -> syntax.Binary:
        """A chain of operators, as in `a + b + c`, counts as one level of nesting."""
        left, symbol, right = parts
        span = self._span(left).to(self._span(right))
        node = syntax.Binary(span, str(symbol), left, right, self._span(symbol))
        self._chain_lengths[node] = 1 + self._chain_lengths.get(left, 0)
        if self._chain_lengths[node] >= MAX_STEPS:
            raise RejectedStatement("E0104", self._span(symbol), f"more than {MAX_STEPS:_} terms in a row")
        deeper = self._depth_of(left) - isinstance(left, syntax.Binary)
        self._note_depth(node, parts, max(deeper, self._depth_of(right)))
        return node

    def unary(self, parts: list) -> syntax.Unary:
        return self._node(syntax.Unary, parts, str(parts[0]), parts[1])

    def call(self, parts: list) -> syntax.Call:
        return self._node(syntax.Call, parts, parts[0], _nodes(parts[1:]))

    def argument(self, parts: list) -> syntax.Argument:
        if len(parts) == 1:
            argument = syntax.Argument(parts[0])
        else:
            argument = syntax.Argument(parts[2], str(parts[0]), self._span(parts[0]))
        self._note_depth(argument, parts)
        return argument

    def index(self, parts: list) -> syntax.Index:
        return self._node(syntax.Index, parts, parts[0], _nodes(parts[1:]))

    def slice(self, parts: list) -> syntax.Slice:
        fields: list[syntax.Expr | None] = [None]
        for part in parts:
            if isinstance(part, Token):
                fields.append(None)
            else:
                fields[-1] = part
        return self._node(syntax.Slice, parts, *fields, *[None] * (3 - len(fields)))

    def ellipsis(self, parts: list) -> syntax.Ellipsis_:
        return syntax.Ellipsis_(self._span(parts[0]))

    def attribute(self, parts: list) -> syntax.Attribute:
        return self._node(syntax.Attribute, parts, parts[0], str(parts[2]), self._span(parts[2]))

    def name(self, parts: list) -> syntax.Name:
        return syntax.Name(self._span(parts[0]), str(parts[0]))

    def constant(self, parts: list) -> syntax.Literal:
        return syntax.Literal(self._span(parts[0]), _CONSTANTS[parts[0].type])

    def list_(self, parts: list) -> syntax.ListExpr:
        return self._node(syntax.ListExpr, parts, _nodes(parts))

    def tuple_(self, parts: list) -> syntax.TupleExpr:
        return self._node(syntax.TupleExpr, parts, _nodes(parts))

    def group(self, parts: list) -> syntax.Expr:
        """Brackets around one expression do not make a node; they only extend its span."""
        inner = replace(parts[1], span=self._span(parts[0]).to(self._span(parts[2])))
        self._depth[inner] = self._depth_of(parts[1])
        return inner

    def number(self, parts: list) -> syntax.Literal:
        text = parts[0].replace("_", "")
        if text.isdigit():
            if len(text.lstrip("0")) > MAX_DIGITS:
                raise RejectedStatement(
                    "E0104", self._span(parts[0]), f"a whole number of more than {MAX_DIGITS} digits"
                )
            return syntax.Literal(self._span(parts[0]), int(text))
        value = float(text)
        if isinf(value):
            raise RejectedStatement("E0104", self._span(parts[0]), "this number is too large")
        return syntax.Literal(self._span(parts[0]), value)

    def string(self, parts: list) -> syntax.Literal:
        token = parts[0]
        for escape in re.finditer(r"\\.", token):
            if escape[0] not in _ESCAPES:
                span = Span(self.source, token.start_pos + escape.start(), token.start_pos + escape.end())
                if path := _path_help(token[1:-1]):
                    raise RejectedStatement("E0105", self._span(token), "a path is written with `/`", path)
                help = 'the escapes are `\\"`, `\\\\`, `\\n` and `\\t`; a backslash itself is written `\\\\`'
                raise RejectedStatement("E0105", span, f"`{escape[0]}` means nothing in a string", help)
        text = re.sub(r"\\.", lambda escape: _ESCAPES[escape[0]], token[1:-1])
        return syntax.Literal(self._span(token), text)

    # --- helpers --------------------------------------------------------------------------------------------

    def _node(self, kind: type, parts: list, *fields: Any) -> Any:
        """A node that spans all its parts; RejectedStatement if it is nested too deeply."""
        node = kind(self._span(parts[0]).to(self._span(parts[-1])), *fields)
        self._note_depth(node, parts)
        return node

    def _note_depth(self, node: Any, parts: list, inner: int | None = None) -> None:
        depth = 1 + (max(map(self._depth_of, parts)) if inner is None else inner)
        if depth > MAX_NESTING and isinstance(node, (syntax.Expr, syntax.If)):
            message = f"this is nested more than {MAX_NESTING} levels deep"
            raise RejectedStatement("E0104", self._span(parts[0]), message, "give names to the inner parts")
        self._depth[node] = depth

    def _depth_of(self, part: Any) -> int:
        if isinstance(part, Token):
            return 0
        if isinstance(part, tuple):
            return max((self._depth.get(item, 0) for item in part), default=0)
        return self._depth.get(part, 0)

    def _span(self, part: Any) -> Span:
        return getattr(part, "span", None) or span_of(self.source, part)

    def _ident(self, token: Token) -> syntax.Ident:
        return syntax.Ident(str(token), self._span(token))

    def _leading_names(self, parts: list) -> tuple[tuple[syntax.Ident, ...], list]:
        """The names at the beginning of `parts`, and the rest."""
        end = 0
        while end < len(parts) and isinstance(parts[end], Token) and parts[end].type in ("NAME", "COMMA"):
            end += 1
        return tuple(self._ident(token) for token in parts[:end] if token.type == "NAME"), parts[end:]


def _nodes(parts: Iterable) -> tuple:
    return tuple(part for part in parts if not isinstance(part, Token))
