"""Two runs side by side: the settings that differ, and the change of each figure."""

from tasks.core.records.measurement import Run
from tasks.core.records.settings import ConvertSettings
from tasks.reporting import page, run_comparison
from tests.tasks import samples


def run(name: str, *, accuracy: float, us: float, **settings: object) -> Run:
    described = samples.manifest(settings=ConvertSettings.model_validate(settings))
    return Run(
        flow_run_id=f"{name}-0000",
        flow_run_name=name,
        finished="2026-01-01T00:00:00+00:00",
        verdict=samples.verdict(described, accuracy=accuracy, latency_s={"p50": us * 1e-6}),
    )


FIRST = run("slow <b>", accuracy=0.97, us=2.0)
SECOND = run("fast", accuracy=0.96, us=1.0, words="packed", clock_period_ns=8)


def test_only_settings_that_differ_are_shown() -> None:
    compared = run_comparison.compare([FIRST, SECOND])
    assert {row.label: row.values for row in compared.settings} == {
        "words": ("float32", "packed"),
        "clock period (ns)": ("10", "8"),
    }
    assert run_comparison.compare([FIRST, FIRST]).settings == ()


def test_a_change_says_whether_it_is_better() -> None:
    figures = {row.label: row for row in run_comparison.compare([FIRST, SECOND]).figures}
    assert figures["latency (µs)"].values == ("2", "1")
    assert figures["latency (µs)"].changes[1] == ("-50.0%", True)
    assert figures["accuracy"].changes[1] == ("-1.00 points", False)
    assert figures["LUT"].changes[1].text == ""


def test_the_page_shows_names_as_text_and_what_is_simulated() -> None:
    written = page.complete(run_comparison.as_page(run_comparison.compare([FIRST, SECOND])))
    assert "slow &lt;b&gt;" in written
    assert "ran on a twin" in written
    assert '<span class="bad">-1.00 points</span>' in written
