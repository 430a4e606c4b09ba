"""`pyarrow.compute` as `Any`: it creates its functions at import, so type checkers do not know them."""

from __future__ import annotations

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
