"""The surface syntax: `dl.lark`, and the parser tables made from it (`python -m dlc.grammar` rewrites them)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import lark

GRAMMAR = Path(__file__).with_name("dl.lark")
TABLES = Path(__file__).with_name("tables.json")


def load(transformer: object) -> lark.Lark:
    """The parser, from the tables if this release of lark made them, else from the grammar."""
    tables = read_tables()
    if tables["lark"] != lark.__version__:
        return build(transformer)
    return lark.Lark._load_from_dict(tables["data"], tables["memo"], transformer=transformer)


def build(transformer: object = None) -> lark.Lark:
    """The parser, from the grammar."""
    return lark.Lark(
        GRAMMAR.read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        start=["statement", "between"],
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=transformer,
    )


def fingerprint() -> str:
    """Says which grammar the tables were made from."""
    return hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()


def read_tables() -> dict[str, Any]:
    """What `write_tables` wrote, with the whole-number keys that JSON turned to text."""
    tables = json.loads(TABLES.read_text("utf-8"))
    tables["memo"] = _whole_number_keys(tables["memo"])
    table = tables["data"]["parser"]["parser"]
    table["tokens"] = _whole_number_keys(table["tokens"])
    table["states"] = {int(state): _whole_number_keys(row) for state, row in table["states"].items()}
    return tables


def write_tables() -> None:
    """Make `tables.json` anew from the grammar."""
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = build().memo_serialize([TerminalDef, Rule])
    del data["options"]["transformer"]
    tables = {"lark": lark.__version__, "grammar": fingerprint(), "data": data, "memo": memo}
    TABLES.write_text(json.dumps(tables, separators=(",", ":")) + "\n", "utf-8")


def _whole_number_keys(table: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in table.items()}
