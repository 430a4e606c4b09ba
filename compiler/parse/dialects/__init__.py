"""Statements of other languages: the error for each, and the equivalent statement to parse in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.parse.dialects import heads, loops, settings, signs, words
from dlc.compiler.parse.dialects.statement import DialectHint, Tokens, UnknownStatement

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.diagnostics.source import Source

_READERS: tuple[Callable[[UnknownStatement], DialectHint | None], ...] = (
    signs.disguised_word, signs.pipe, signs.spaced_arrow, signs.greater_for_arrow, signs.left_arrow,
    signs.assigned_in_place,
    signs.decimal_comma, signs.unit, signs.stage_without_brackets, signs.stage_with_braces,
    signs.number_with_commas, signs.string_with_prefix, signs.is_none, signs.choice,
    words.python_import, words.template, words.repeated_token, words.section_alias, words.misspelt,
    words.word_before_binding, words.lambda_, words.starred, words.comprehension, words.decorator,
    heads.typed_names, heads.block_without_brackets, heads.block_bound,
    heads.block_settings, heads.member_bound,
    loops.counted_loop, loops.counting, settings.section_with_colon, settings.with_colons,
    settings.several_settings, settings.listed_values, settings.without_equal, settings.beside_its_member,
)  # fmt: skip


def explain(tokens: Tokens, source: Source, section: str) -> DialectHint | None:
    """The error for a statement that another language has; None if no rule matches."""
    statement = UnknownStatement(tokens, source, section)
    return next((found for reader in _READERS if (found := reader(statement))), None)
