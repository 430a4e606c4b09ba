"""`pyarrow.compute`. It makes its functions when it is imported, so no type checker knows them."""

from __future__ import annotations

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
