"""Data in which the answer, or the rows of the test, are known already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.diagnosis.course import UNSEEN
from dlc.runtime.diagnosis.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.diagnosis.course import Course
    from dlc.runtime.diagnosis.kinds import Finding

LEAKS = ("W0718", "W0711", "W0717")  # warnings about the rows that mean a leak, the surest first


class Leak(Kind):
    """What is asked for is among the inputs, or rows of the test are among those of the training: the figures
    are good, and the model is not."""

    name, title = "leak", "leak"
    rule = (
        "Before the training, the rows gave one of the warnings [W0711](../compiler/diagnostics/codes), "
        "W0717 or W0718: rows of one part are in another, a column numbers the rows, or one column "
        "alone tells the target."
    )
    remedy = (
        'Leave the input out; keep rows that belong together in one part, with `split = groups("...")`; '
        "remove repeated rows. If it is no leak, a comment `# allow W0718: why` says so."
    )

    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        warnings = course.record.how.get("warnings")
        warned = [w for w in warnings if isinstance(w, dict)] if isinstance(warnings, list) else []
        leaks = [w for code in LEAKS for w in warned if w.get("code") == code]
        if not leaks:
            return None
        first = leaks[0]
        more = f" (and {len(leaks) - 1} more of the like)" if len(leaks) > 1 else ""
        evidence = f"{first.get('message')} ({first.get('code')}){more}"
        good = next((s for o in course.outputs for s in [course.skill(o, *UNSEEN)] if s), None)
        evidence += f"; {good.words} on the {good.rows} rows that are kept apart" if good else ""
        lines = tuple(w["line"] for w in leaks if isinstance(w.get("line"), int))
        return self.told(course, evidence, str(first.get("help", "")), lines)
