"""The summary of a run in Markdown, as Prefect and others render it."""

import re

from markdown_it import MarkdownIt

from tasks.boards.address import BoardAddress
from tasks.core.records.measurement import Run
from tasks.reporting import board, report
from tests.tasks import samples

NAME = "a|b <img src=x onerror=alert(1)> `c` [x](http://far) **d** _e_ &lt; ![p](y)\nf.keras"


def rendered(text: str) -> str:
    html: str = MarkdownIt("commonmark").enable("table").render(text)
    return html


def test_names_are_shown_as_text_in_tables_and_headings() -> None:
    run = Run(flow_run_id="a" * 32, flow_run_name=NAME, finished="", verdict=samples.verdict())
    html = rendered(report.markdown(run, "")) + rendered(report.table(("model",), [(NAME,)]))
    assert not re.search(r"<(img|a|code|strong|em)\b", html.replace("<code>overlayflow", ""))
    shown = "a|b &lt;img src=x onerror=alert(1)&gt; `c` [x](http://far) **d** _e_ &amp;lt; ![p](y)"
    assert f"<td>{shown} f.keras</td>" in html
    assert f"<p>{shown} f.keras</p>" in html


def test_a_run_is_named_by_text_on_the_page_of_its_board() -> None:
    run = Run(
        flow_run_id="a" * 32,
        flow_run_name=NAME,
        finished="2026-01-01T00:00:00+00:00",
        verdict=samples.verdict(),
    )
    address = BoardAddress(name="lab-1", kind="pynq-z2", host="lab")
    news = board.BoardNews(state=f"leased ({NAME})")
    html = rendered(board.markdown(address, news, [NAME], [run], lambda run_id: f"/{run_id}"))
    (link,) = re.findall(r"<a .*?</a>", html)
    assert not re.search(r"<(img|code|strong|em)\b", html)
    assert "a|b &lt;img src=x onerror=alert(1)&gt; `c` [x](http://far) **d** _e_" in link


def test_formats_of_numbers_are_shown_as_they_are() -> None:
    html = rendered(report.table(("precision", "layer"), [("fixed<16,6>", "dense_1_relu *")]))
    assert "<td>fixed&lt;16,6&gt;</td>" in html
    assert "<td>dense_1_relu *</td>" in html
