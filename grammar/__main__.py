"""`python -m dlc.grammar` generates the parser tables from the grammar."""

from __future__ import annotations

import os

from dlc.grammar import TABLES, write_tables

write_tables()
print(f"wrote {os.path.basename(TABLES)}")
