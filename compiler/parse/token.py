"""The type of a token, for type checking only. At run time tokens are those of lark."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lark

    class Token(lark.Token):
        """A token with a known position."""

        start_pos: int  # pyright: ignore[reportIncompatibleVariableOverride]
        end_pos: int  # pyright: ignore[reportIncompatibleVariableOverride]
        line: int  # pyright: ignore[reportIncompatibleVariableOverride]
        column: int  # pyright: ignore[reportIncompatibleVariableOverride]
