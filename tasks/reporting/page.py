"""Self-contained pages; a run's report: verdict first, charts that explain themselves.

The store keeps the page without the library that draws its charts, which is the same for all runs;
`complete` adds it. Nothing else in the page can run: its content security policy names the scripts.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.layer_table import layer_table
from tasks.core.records.measurement import Run
from tasks.reporting import figures

if TYPE_CHECKING:
    from markupsafe import Markup

_LIBRARY = "<!-- what draws the charts -->"
_NO_SCRIPTS = "script-src 'none'"
_DRAW = """
for (const block of document.querySelectorAll("figure > script[type='application/json']")) {
  const target = block.parentElement.querySelector("div");
  vegaEmbed(target, JSON.parse(block.textContent), {actions: false, renderer: "svg"});
}
"""


def page(
    run: Run, charts: Mapping[str, dict[str, Any]], package: Path | None = None, url: str = ""
) -> str:
    """Return the page as the store keeps it.

    Args:
        run: the run with its verdict.
        charts: Vega-Lite specifications by title.
        package: path of package.tar.gz on the machine that measured; None if it is not known.
        url: URL of the run and its logs in the Prefect UI; empty if there is none.
    """
    verdict = run.verdict
    manifest = verdict.manifest
    columns, rows = figures.side_by_side(run)
    return render(
        "report.html",
        run.flow_run_name,
        run=run,
        verdict=verdict,
        measurement=verdict.measurement,
        manifest=manifest,
        headlines=figures.headlines(verdict),
        columns=columns,
        rows=rows,
        gates=figures.ordered(verdict.gates),
        result=figures.result,
        layers=layer_table(manifest.layers, manifest.interval_cycles, manifest.utilisation),
        settings=figures.settings_rows,
        provenance=figures.provenance_rows(verdict),
        charts=charts,
        package=package,
        url=url,
    )


def render(template: str, title: str, **content: Any) -> str:
    """Return a page of a template in this directory, as the store keeps it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole"] = _whole
    return environment.get_template(template).render(
        title=title, library=_LIBRARY, no_scripts=_NO_SCRIPTS, **content
    )


def _whole(text: str) -> "Markup":
    """Keep words with hyphens, such as a part's name or a date, in one line."""
    from markupsafe import Markup, escape

    return Markup(" ").join(
        Markup('<span class="whole">{}</span>').format(word) if "-" in word else escape(word)
        for word in text.split(" ")
    )


def complete(stored: str) -> str:
    """Return the stored page with the library that draws its charts, to be sent or kept."""
    from markupsafe import escape

    scripts = (_library(), _DRAW)
    digests = " ".join(f"'sha256-{_digest(each)}'" for each in scripts)
    # Vega compiles the expressions of a chart's scales and tooltips.
    allowed = escape(f"script-src 'unsafe-eval' {digests}")
    tags = "".join(f"<script>{each}</script>\n" for each in scripts)
    return stored.replace(escape(_NO_SCRIPTS), allowed, 1).replace(_LIBRARY, tags, 1)


@functools.cache
def _library() -> str:
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # as its documentation says
    return bundle.replace("</script", "<\\/script")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
