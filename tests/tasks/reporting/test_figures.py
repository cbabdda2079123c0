"""Figures of a run, as the terminal and the report show them."""

from tasks.core.records.measurement import BoardOutput, Run
from tasks.core.records.quality import Fidelity, Meaning, OutputQuality
from tasks.reporting.figures import (
    headlines,
    provenance_rows,
    rows,
    side_by_side,
)
from tests.tasks.samples import manifest, verdict


def test_an_estimated_power_is_not_taken_for_a_measured_one() -> None:
    shown = dict(rows(verdict(manifest(power_estimate_w=1.402))))
    assert shown["power"] == "not measured"
    assert shown["power of the chip, estimated"] == "1.40 W"
    assert "power of the chip, estimated" not in dict(rows(verdict()))


def test_versions_are_told_by_the_machine_that_had_them() -> None:
    measured = verdict(manifest(versions={"numpy": "2.1.0"}))
    measurement = measured.measurement.model_copy(update={"versions": {"numpy": "1.26.4"}})
    told = dict(provenance_rows(measured.model_copy(update={"measurement": measurement})))
    assert told["versions where it was built"] == "numpy 2.1.0"
    assert told["versions on the board"] == "numpy 1.26.4"


def test_the_largest_error_of_the_c_simulation_is_shown() -> None:
    fidelity = Fidelity(
        rmse=0.01, max_error=0.0625, worst_output_error=0.1, spread=0.5, constant=False
    )
    shown = dict(rows(verdict(manifest(fidelity=fidelity))))
    assert "largest 0.0625" in shown["C simulation, error against framework"]


def test_several_outputs_are_shown_one_by_one() -> None:
    kind = OutputQuality(name="kind", shape=(2,), accuracy_framework=0.75)
    place = OutputQuality(name="place", shape=(1,), meaning=Meaning(kind="values"), rmse_csim=0.5)
    boards = (
        BoardOutput(name="kind", accuracy=0.5, max_error=0),
        BoardOutput(name="place", rmse=0.5, max_error=0),
    )
    found = verdict(manifest(outputs=(kind, place))).model_copy(update={"outputs": boards})
    assert headlines(found)[0] == ("outputs", "kind 50.00%, place RMSE 0.5", ())
    shown = dict(rows(found))
    assert shown["kind: accuracy, framework"] == "75.00%"
    assert shown["place: RMSE against y_test, board"] == "0.5"


def test_a_dress_rehearsal_stands_beside_the_board() -> None:
    made = manifest()
    assert made.utilisation is not None
    placed = made.utilisation.model_copy(update={"stage": "placed"})
    built = manifest(target="hardware", power_estimate_w=1.402, utilisation=placed)
    run = Run(
        flow_run_id="1",
        flow_run_name="tiny on lab-1",
        finished="2026-01-02T03:04:05+00:00",
        verdict=verdict(built, simulated=False, cycles_per_sample=3.5),
        rehearsal=verdict(),
    )
    columns, shown = side_by_side(run)
    assert columns == ("figure", "twin", "dress rehearsal")
    found = {label: (board, twin) for label, board, twin in shown}
    assert found["cycles per sample"] == ("3.5", "3 (simulated)")
    assert found["bit-exact with the C simulation"] == ("4 of 4 test samples",) * 2
    assert found["power of the chip, estimated"] == ("1.40 W", "")
    lut, before = found["LUT of xc7z020clg400-1"]
    assert lut.endswith(", placed")
    assert before.endswith(", synthesised")
    alone = run.model_copy(update={"rehearsal": None})
    assert side_by_side(alone) == (("figure", "value"), rows(run.verdict))
