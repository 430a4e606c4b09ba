"""The type of a token, for type checkers alone: at run time a token is one of lark's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lark

    class Token(lark.Token):
        """A token as it comes from a text: its place is known."""

        start_pos: int  # pyright: ignore[reportIncompatibleVariableOverride]
        end_pos: int  # pyright: ignore[reportIncompatibleVariableOverride]
        line: int  # pyright: ignore[reportIncompatibleVariableOverride]
        column: int  # pyright: ignore[reportIncompatibleVariableOverride]
