import pytest

from tasks.core.errors import DoesNotFitError, GateError
from tasks.core.records.design import Timing
from tasks.quality import gates
from tasks.quality.gates import GateSettings
from tests.tasks import samples


def test_a_failed_gate_ends_the_flow_with_its_figures() -> None:
    project = samples.hls_project(accuracy_csim=0.9)
    checked = gates.after_convert(project, GateSettings())
    with pytest.raises(GateError, match=r"90\.00% right, the framework 100\.00%"):
        gates.require(checked)


def test_a_failed_gate_in_mode_warn_lets_pass_and_is_remembered() -> None:
    project = samples.hls_project(accuracy_csim=0.9)
    (gate,) = gates.require(gates.after_convert(project, GateSettings(mode="warn")))
    assert not gate.passed


def test_a_model_without_class_labels_has_no_accuracy_gate() -> None:
    project = samples.hls_project(accuracy_framework=None, accuracy_csim=None)
    assert gates.after_convert(project, GateSettings()) == []


def test_a_design_that_does_not_fit_names_the_resource_the_modules_and_a_remedy() -> None:
    checked = gates.after_implement(samples.implementation(lut=60000), GateSettings())
    with pytest.raises(DoesNotFitError) as caught:
        gates.require(checked)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "lut of xc7z020clg400-1 is 112.8% used, synthesised" in message
    assert "lut 60000 of 53200" in message
    assert "tiny_core 59980 LUT" in message
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
