"""The grammar `dl.lark` and its parser tables (`python -m dlc.grammar` writes them)."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import lark

# `os.path` instead of pathlib: its import is 10 % of the start of `dlc check`.
GRAMMAR = os.path.join(os.path.dirname(__file__), "dl.lark")
SHIFT = 0  # the code of a shift action in the tables of lark; others are reductions
TABLES = os.path.join(os.path.dirname(__file__), "tables.json")


def load(transformer: object) -> lark.Lark:
    """The parser, from the tables if they were made by this version of lark, else from the grammar."""
    tables = read_tables()
    if tables["lark"] != lark.__version__:
        return build(transformer)
    return lark.Lark._load_from_dict(tables["data"], tables["memo"], transformer=transformer)


def build(transformer: object = None) -> lark.Lark:
    """The parser, generated from the grammar."""
    return lark.Lark(
        _read(GRAMMAR),
        parser="lalr",
        lexer="basic",
        start=["statement", "between"],
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=transformer,
    )


def fingerprint() -> str:
    """SHA-256 of the grammar, to check that the tables are up to date."""
    return hashlib.sha256(_read(GRAMMAR).encode()).hexdigest()


def read_tables() -> dict[str, Any]:
    """The tables of `write_tables`, with integer keys, which JSON stores as text."""
    tables = json.loads(_read(TABLES))
    tables["memo"] = _whole_number_keys(tables["memo"])
    table = tables["data"]["parser"]["parser"]
    table["tokens"] = _whole_number_keys(table["tokens"])
    table["states"] = {int(state): _whole_number_keys(row) for state, row in table["states"].items()}
    return tables


def write_tables() -> None:
    """Generate `tables.json` from the grammar."""
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    data, memo = build().memo_serialize([TerminalDef, Rule])
    del data["options"]["transformer"]
    data["parser"]["parser"] = _in_order(data["parser"]["parser"])
    tables = {"lark": lark.__version__, "grammar": fingerprint(), "data": data, "memo": memo}
    with open(TABLES, "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(tables, separators=(",", ":")) + "\n")


def _in_order(table: dict[str, Any]) -> dict[str, Any]:
    """The parse table with a deterministic numbering of states and symbols."""
    names, states = table["tokens"], table["states"]
    symbols = {name: number for number, name in enumerate(sorted(names.values()))}
    met = [table["start_states"][start] for start in sorted(table["start_states"])]
    rows = []
    for state in met:  # grows during the loop
        row = sorted(
            ((symbols[names[t]], action) for t, action in states[state].items()), key=lambda move: move[0]
        )
        met += dict.fromkeys(target for _, (kind, target) in row if kind == SHIFT and target not in met)
        rows.append(row)
    numbers = {state: number for number, state in enumerate(met)}
    moves = [{s: (k, numbers[to] if k == SHIFT else to) for s, (k, to) in row} for row in rows]
    return {
        "tokens": {number: name for name, number in symbols.items()},
        "states": dict(enumerate(moves)),
        "start_states": {start: numbers[state] for start, state in sorted(table["start_states"].items())},
        "end_states": {start: numbers[state] for start, state in sorted(table["end_states"].items())},
    }


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _whole_number_keys(table: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in table.items()}
