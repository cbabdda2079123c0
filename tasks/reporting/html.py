"""Turn a report in Markdown into a self-contained page, with pictures and without scripts."""

import html
from pathlib import Path
from string import Template

from markdown_it import MarkdownIt

_PAGE = Path(__file__).with_name("report.html")


def page(title: str, markdown: str) -> str:
    """Return a complete HTML document.

    Args:
        title: title of the document.
        markdown: body of the document; HTML in it is shown as text.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title), body=body
    )
