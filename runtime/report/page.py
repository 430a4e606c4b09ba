"""A page as HTML. The template escapes everything but the figures, which `svg.element` has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.runtime.report.texts import clean

if TYPE_CHECKING:
    from dlc.runtime.report.blocks import Page

TEMPLATE = "page.html"


def html(page: Page) -> str:
    """The text of the file."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(reading.shipped(__file__, TEMPLATE))
    return clean(template.render(page=page))
