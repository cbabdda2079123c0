import pytest

from tasks.core.errors import DoesNotFitError, GateError
from tasks.core.records.design import Timing
from tasks.core.records.quality import Fidelity, Meaning, OutputQuality, Overflow
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks import samples


def test_a_failed_gate_ends_the_flow_with_its_figures() -> None:
    project = samples.hls_project(accuracy_csim=0.9)
    checked = gates.after_convert(project, GateSettings())
    with pytest.raises(GateError, match=r"90\.00% correctly, the framework 100\.00%"):
        gates.require(checked)


def test_a_failed_gate_in_mode_warn_lets_pass_and_is_remembered() -> None:
    project = samples.hls_project(accuracy_csim=0.9)
    (gate,) = gates.require(gates.after_convert(project, GateSettings(mode="warn")))
    assert not gate.passed


def test_a_model_without_class_labels_has_no_accuracy_gate() -> None:
    project = samples.hls_project(accuracy_framework=None, accuracy_csim=None)
    assert gates.after_convert(project, GateSettings()) == []


def test_a_model_no_better_than_chance_is_a_warning_that_asks_for_its_labels() -> None:
    project = samples.hls_project(
        accuracy_framework=0.1044, accuracy_csim=0.1044, accuracy_by_chance=0.13
    )
    (_, gate) = gates.require(gates.after_convert(project, GateSettings()))
    assert not gate.passed
    assert "10.44% correctly; by chance, the same answers reach up to 13.00%" in gate.message
    assert "y_test belongs to X_test" in gate.advice
    better = project.model_copy(update={"accuracy_framework": 0.14})
    assert gates.after_convert(better, GateSettings())[1].passed


def faithful(**changes: object) -> Fidelity:
    found = Fidelity(
        agreement=1.0,
        worst_class=0,
        worst_class_agreement=1.0,
        rmse=0.001,
        worst_output_error=0.01,
        max_error=0.01,
        spread=1.0,
        constant=False,
    )
    return found.model_copy(update=changes)


CLASSES, VALUES = Meaning(kind="classes"), Meaning(kind="values")
SOFT = Meaning(kind="classes", soft=True)


@pytest.mark.parametrize(
    ("meaning", "changes", "failed"),
    [
        (CLASSES, {}, []),
        (CLASSES, {"constant": True}, ["csim varies"]),
        (CLASSES, {"agreement": 0.9}, ["csim agreement"]),
        (CLASSES, {"worst_class_agreement": 0.2}, ["csim class agreement"]),
        (CLASSES, {"rmse": 0.5, "max_error": 9.0}, []),  # the decisions are what counts
        (SOFT, {"rmse": 0.5}, ["csim RMSE"]),
        (VALUES, {"agreement": None, "worst_class_agreement": None}, []),
        (VALUES, {"rmse": 0.2}, ["csim RMSE"]),
        (VALUES, {"rmse": 0.2, "spread": 100.0}, []),
        (VALUES, {"worst_output_error": 0.6}, ["csim RMSE of one output"]),
        (VALUES, {"max_error": 1.5}, ["csim largest error"]),
        (VALUES, {"constant": True}, ["csim varies"]),
    ],
)
def test_every_kind_of_output_has_a_gate_for_what_counts_in_it(
    meaning: Meaning, changes: dict[str, object], failed: list[str]
) -> None:
    project = samples.hls_project(meaning=meaning, fidelity=faithful(**changes))
    checked = gates.after_convert(project, GateSettings())
    assert [gate.name for gate in checked if not gate.passed] == failed


def test_the_failed_one_of_several_outputs_is_named() -> None:
    good = OutputQuality(name="kind", shape=(1,), meaning=CLASSES, fidelity=faithful())
    bad = OutputQuality(name="place", shape=(1,), meaning=VALUES, fidelity=faithful(rmse=0.2))
    project = samples.hls_project(accuracy_framework=None, outputs=(good, bad))
    checked = gates.after_convert(project, GateSettings())
    assert [gate.name for gate in checked if not gate.passed] == ["csim RMSE of place"]
    with pytest.raises(GateError, match=r"output place: the C simulation is off by 0\.2"):
        gates.require(checked)


def test_values_that_wrap_fail_with_their_layer_range_and_remedy() -> None:
    wraps = Overflow(
        layer="x",
        variable="result",
        share=0.25,
        low=0,
        high=100,
        element="fixed<16,6>, which holds -32 to 31.999",
    )
    project = samples.hls_project(fidelity=faithful(), overflows=(wraps,))
    with pytest.raises(GateError) as caught:
        gates.require(gates.after_convert(project, GateSettings()))
    message = str(caught.value)
    assert "25.00% of the values of x wrap around: they reach from 0 to 100" in message
    assert "fixed<16,6>, which holds -32 to 31.999" in message
    assert "\n     give layer_precision x.result more integer bits" in message


def test_a_gate_that_passed_gives_no_advice() -> None:
    wraps = Overflow(
        layer="x", variable="result", share=0.25, low=0, high=100, element="fixed<16,6>"
    )
    project = samples.hls_project(fidelity=faithful(), overflows=(wraps,), departure="try hidden")
    checked = gates.after_convert(project, GateSettings(wrapped_share=0.5))
    assert all(gate.passed for gate in checked)
    assert not any(gate.advice for gate in checked)


def test_the_layer_that_departs_is_named_once() -> None:
    project = samples.hls_project(
        meaning=VALUES,
        fidelity=faithful(rmse=0.5, max_error=5.0),
        departure="the first layer that departs is hidden",
    )
    checked = gates.after_convert(project, GateSettings())
    assert [gate.advice.count("hidden") for gate in checked if not gate.passed] == [1, 0]


def test_all_gates_that_failed_are_named() -> None:
    project = samples.hls_project(accuracy_csim=0.5, fidelity=faithful(agreement=0.5))
    with pytest.raises(GateError) as caught:
        gates.require(gates.after_convert(project, GateSettings()))
    assert "50.00% correctly" in str(caught.value)
    assert "gate failed, csim agreement: " in str(caught.value)


def test_a_design_that_does_not_fit_names_the_resource_the_modules_and_a_remedy() -> None:
    checked = gates.after_implement(samples.implementation(lut=60000), GateSettings())
    with pytest.raises(DoesNotFitError) as caught:
        gates.require(checked)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "LUT of xc7z020clg400-1 is 112.8% used, synthesised" in message
    assert "LUT 60,000 of 53,200" in message
    assert "tiny_core 59,980 LUT" in message
    assert "lower the precisions" in message


def test_an_estimate_far_beyond_the_part_ends_before_the_long_tools() -> None:
    synthesis = samples.implementation().synthesis.model_copy(
        update={"estimate": samples.XC7Z020.model_copy(update={"lut": 70000})}
    )
    (gate,) = gates.after_synthesize(synthesis, GateSettings())
    assert not gate.passed
    assert "131.6% used, estimated" in gate.message
    assert gates.after_synthesize(samples.implementation().synthesis, GateSettings()) == []


def test_a_rough_estimate_beyond_the_part_only_warns() -> None:
    synthesis = samples.implementation().synthesis.model_copy(
        update={
            "estimate": samples.XC7Z020.model_copy(update={"lut": 70000}),
            "estimate_is_rough": True,
        }
    )
    (gate,) = gates.require(gates.after_synthesize(synthesis, GateSettings()))
    assert not gate.passed


def test_logic_that_is_slower_than_the_clock_warns_before_a_board_is_tried() -> None:
    made = samples.implementation()
    slow = made.utilisation.model_copy(update={"logic_delay_ns": 12.0})
    (gate,) = (
        gate
        for gate in gates.after_implement(samples.implementation(utilisation=slow), GateSettings())
        if not gate.passed
    )
    assert gate.mode == "warn"
    assert "12.00 ns of the clock's 10 ns" in gate.message
    assert "longer clock period" in gate.advice


def test_a_net_that_was_not_routed_ends_the_flow() -> None:
    checked = gates.after_implement(samples.implementation(failed_nets=12), GateSettings())
    with pytest.raises(GateError, match="12 nets are unrouted"):
        gates.require(checked)


def test_a_clock_other_than_the_one_asked_for_fails() -> None:
    made = samples.implementation(clock_mhz=90.0)
    failed = [g.name for g in gates.after_implement(made, GateSettings()) if not g.passed]
    assert failed == ["clock built"]


@pytest.mark.parametrize(
    ("slacks", "failed"),
    [
        ((0.0, 0.0, 0.0), []),
        ((-0.001, 0.1, 0.1), ["setup slack"]),
        ((0.1, -0.001, 0.1), ["hold slack"]),
        ((0.1, 0.1, -0.001), ["pulse width slack"]),
    ],
)
def test_every_negative_slack_fails_its_own_gate(
    slacks: tuple[float, float, float], failed: list[str]
) -> None:
    timing = Timing(
        setup_slack_ns=slacks[0], hold_slack_ns=slacks[1], pulse_width_slack_ns=slacks[2]
    )
    checked = gates.after_implement(samples.implementation(timing=timing), GateSettings())
    assert [gate.name for gate in checked if not gate.passed] == failed
