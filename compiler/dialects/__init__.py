"""Statements as other languages write them: how each is written here, and what is read in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.dialects import heads, loops, signs, words
from dlc.compiler.dialects.statement import Found, Statement, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.source import Source

_READERS: tuple[Callable[[Statement], Found | None], ...] = (
    signs.disguised_word, signs.pipe, signs.torn_arrow, signs.greater_for_arrow, signs.left_arrow,
    signs.assigned_in_place,
    signs.number_with_commas, signs.percentage, signs.string_with_prefix, signs.is_none, signs.choice,
    words.python_import, words.template, words.doubled, words.misspelt, words.word_before_binding,
    words.lambda_,
    words.starred, words.comprehension, words.decorator,
    heads.typed_names, heads.block_without_brackets, heads.block_bound, heads.block_settings,
    heads.member_bound,
    loops.counted_loop, loops.counting, loops.several_settings, loops.section_with_colon,
)  # fmt: skip


def explain(tokens: Tokens, source: Source, section: str) -> Found | None:
    """What is wrong with a statement that the grammar does not know, where it is one of another language."""
    statement = Statement(tokens, source, section)
    return next((found for reader in _READERS if (found := reader(statement))), None)
