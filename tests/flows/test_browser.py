"""A person in the Prefect UI: a real Chromium fills the form, waits and looks at the report.

Screenshots go to OVERLAYFLOW_SCREENSHOTS, or build/screenshots.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.flows.conftest import ROOT, Machine
from tests.flows.test_up import RUN_S, deployment

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 60_000
SHOTS = Path(os.environ.get("OVERLAYFLOW_SCREENSHOTS", ROOT / "build" / "screenshots"))

pytestmark = [
    pytest.mark.extended,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield page
        browser.close()


def shoot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def runs(team: Machine) -> set[str]:
    """Of deploy-model, which has no schedule."""
    body = {"deployments": {"name": {"any_": ["deploy-model"]}}}
    return {each["id"] for each in team.query("flow_runs/filter", body)}


def test_a_run_is_started_in_the_browser_and_its_report_is_seen(team: Machine, page: Page) -> None:
    ui = team.api.removesuffix("/api")
    page.goto(f"{ui}/deployments/deployment/{deployment(team, 'deploy-model')['id']}")
    page.get_by_role("button", name="Run", exact=True).first.click()
    page.get_by_text("Custom run").click()

    label = page.locator("label", has_text="Passes")
    label.locator("xpath=following::input[1]").fill("2")
    # The form explains itself, and comes filled in.
    expect(page.get_by_text("multiplications per multiplier; 1 is fully parallel.")).to_be_visible()
    model = page.locator("label", has_text="model").first.locator("xpath=following::textarea[1]")
    expect(model).to_have_value("examples/digits/digits.keras")
    model.scroll_into_view_if_needed()
    shoot(page, "form")
    before = runs(team)
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("scheduled to start").first).to_be_visible()

    (started,) = runs(team) - before
    page.goto(f"{ui}/runs/flow-run/{started}")
    page.get_by_text("Artifacts", exact=True).click(timeout=RUN_S * 1000)
    expect(page.get_by_text("Completed").first).to_be_visible(timeout=RUN_S * 1000)
    shoot(page, "run")
    page.get_by_text("digits-report").first.click()

    expect(page.get_by_text("digits: passed").first).to_be_visible()
    pictures = page.locator("img[src^='data:image/png']")
    expect(pictures).to_have_count(4)
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert min(widths) > 200
    shoot(page, "report")
    pictures.first.scroll_into_view_if_needed()
    shoot(page, "plots")
