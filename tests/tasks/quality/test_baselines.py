from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.core.records.design import Resources, Utilisation
from tasks.core.records.measurement import Run, Verdict
from tasks.core.records.settings import ConvertSettings
from tasks.quality import baselines
from tasks.quality.gates import GateSettings
from tests.tasks import samples

SETTINGS = GateSettings(accuracy_loss=0.01, slowdown=0.1, growth=0.05)


def verdict(accuracy: float | None = 0.9, lut: int = 5320, **changes: object) -> Verdict:
    used = Utilisation(
        stage="synthesised",
        used=Resources(lut=lut, ff=50, dsp=0, bram_36k=0),
        available=samples.XC7Z020,
    )
    return samples.verdict(samples.manifest(utilisation=used), accuracy=accuracy, **changes)


def run(found: Verdict | None = None, name: str = "digits on twin") -> Run:
    return Run(
        flow_run_id="1" * 8,
        flow_run_name=name,
        finished="2026-01-02T03:04:05+00:00",
        verdict=found or verdict(),
    )


def worse(new: Verdict, settings: GateSettings = SETTINGS) -> list[str]:
    gates = baselines.compare(new, run(), settings)
    return [gate.name for gate in gates if not gate.passed]


def test_a_run_like_its_baseline_passes_every_gate() -> None:
    gates = baselines.compare(verdict(), run(), SETTINGS)
    assert [gate.name for gate in gates] == [
        "baseline latency",
        "baseline throughput",
        "baseline accuracy",
        "baseline utilisation",
    ]
    assert all(gate.passed for gate in gates)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (verdict(latency_s={"p50": 1.2e-6}), ["baseline latency"]),
        (verdict(latency_s={"p50": 1.05e-6}), []),
        (verdict(inferences_per_s=20e6), ["baseline throughput"]),
        (verdict(inferences_per_s=66e6), []),
        (verdict(accuracy=0.88), ["baseline accuracy"]),
        (verdict(accuracy=0.895), []),
        (verdict(lut=8512), ["baseline utilisation"]),
        (verdict(lut=100), []),
    ],
)
def test_a_figure_may_get_worse_within_its_tolerance_only(
    new: Verdict, expected: list[str]
) -> None:
    assert worse(new) == expected


def test_what_only_one_of_the_runs_has_is_not_compared() -> None:
    gates = baselines.compare(verdict(accuracy=None), run(), SETTINGS)
    assert "baseline accuracy" not in [gate.name for gate in gates]


def test_the_message_tells_both_figures_and_the_baseline() -> None:
    gates = baselines.compare(verdict(accuracy=0.88), run(), SETTINGS)
    (gate,) = (gate for gate in gates if gate.name == "baseline accuracy")
    assert gate.message == (
        "the board classifies 88.00% correctly, before 90.00%; allowed loss: 1.00% "
        "(baseline: digits on twin, 2026-01-02T03:04:05+00:00)"
    )


def test_a_regression_warns_fails_or_is_ignored_as_asked() -> None:
    slow = verdict(latency_s={"p50": 2e-6})
    for mode, passed in (("warn", True), ("fail", False)):
        settings = SETTINGS.model_copy(update={"baseline": mode})
        gates = baselines.compare(slow, run(), settings)
        judged = slow.model_copy(update={"gates": gates})
        assert judged.passed is passed
        assert baselines.regressed(judged)
    assert not worse(slow, SETTINGS.model_copy(update={"baseline": "ignore"}))


def with_settings(**settings: object) -> Verdict:
    chosen = ConvertSettings.model_validate({"project_name": "tiny", **settings})
    return samples.verdict(samples.manifest(settings=chosen), accuracy=0.9)


def test_a_project_has_one_baseline_on_each_board(tmp_path: Path) -> None:
    store, same = str(tmp_path), samples.manifest()
    assert baselines.find(store, same, "twin") is None
    baselines.accept(store, run(name="first"))
    baselines.accept(store, run(name="second"))
    found = baselines.find(store, same, "twin")
    assert found is not None
    assert found.flow_run_name == "second"
    assert baselines.find(store, same, "other") is None
    assert [each.flow_run_name for each in baselines.every(store)] == ["second"]


def test_points_of_a_sweep_have_baselines_of_their_own(tmp_path: Path) -> None:
    store = str(tmp_path)
    wide, narrow = (with_settings(precision=text) for text in ("fixed<16,6>", "fixed<8,3>"))
    baselines.accept(store, run(wide, "wide"))
    assert baselines.find(store, narrow.manifest, "twin") is None
    baselines.accept(store, run(narrow, "narrow"))
    for verdict_, name in ((wide, "wide"), (narrow, "narrow")):
        found = baselines.find(store, verdict_.manifest, "twin")
        assert found is not None
        assert found.flow_run_name == name
    baselines.remove(store, "tiny", "twin")
    assert not baselines.every(store)


def test_a_baseline_of_version_0_1_0_holds_until_another_is_accepted(tmp_path: Path) -> None:
    store = str(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tiny~twin.json").write_text(run(name="old").model_dump_json())
    found = baselines.find(store, samples.manifest(), "twin")
    assert found is not None
    assert found.flow_run_name == "old"
    baselines.accept(store, run(name="new"))
    assert [each.flow_run_name for each in baselines.every(store)] == ["new"]


def test_a_baseline_that_is_removed_is_gone(tmp_path: Path) -> None:
    baselines.accept(str(tmp_path), run())
    baselines.remove(str(tmp_path), "tiny", "twin")
    assert baselines.every(str(tmp_path)) == ()
    with pytest.raises(InputError, match="no such baseline"):
        baselines.remove(str(tmp_path), "tiny", "twin")


def test_a_baseline_of_another_version_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = str(tmp_path / "lab[1]")
    baselines.accept(store, run())
    (tmp_path / "lab[1]/baselines/other~twin.json").write_text("{}")
    assert baselines.every(store) == (run(),)
    assert baselines.find(store, samples.manifest(project_name="other"), "twin") is None
    assert "not a run record of this version" in caplog.text
