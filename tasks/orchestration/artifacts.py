"""Keys of artifacts, and the pages of runs that they link to."""

from prefect.settings import PREFECT_UI_URL


def artifact_key(text: str) -> str:
    """Return a text in the form of an artifact's key, which allows a-z, 0-9 and hyphens."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in text)
    return kept.lower().strip("-")


def page_of(flow_run_id: str) -> str:
    """Return the URL of a run in the UI; empty without a permanent server."""
    ui = PREFECT_UI_URL.value()
    return f"{ui}/runs/flow-run/{flow_run_id}" if ui else ""
