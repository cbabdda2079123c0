"""A report in Markdown as a page that needs nothing else: pictures are in it, no scripts."""

import html
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt

_PAGE = Path(__file__).with_name("report.html")


def page(title: str, markdown: str) -> str:
    """A whole HTML document.

    Args:
        title: of the document.
        markdown: its body; HTML in it is shown, not interpreted.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title), body=body
    )
