"""Gates between the steps: each holds one figure against one threshold."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from tasks.core.errors import DoesNotFitError, GateError
from tasks.core.records.base import Settings
from tasks.core.records.design import (
    Gate,
    HlsProject,
    Implementation,
    Resources,
    Synthesis,
    Utilisation,
)

Mode = Literal["fail", "warn"]
ESTIMATED, SYNTHESISED, COUNTED = "estimated utilisation", "synthesised utilisation", "utilisation"
UTILISATION_GATES = (ESTIMATED, SYNTHESISED, COUNTED)


class GateSettings(Settings):
    """Thresholds of the gates, and what a failed gate does.

    Attributes:
        mode: `fail` ends the flow at a failed gate, `warn` goes on and says so.
        csim_accuracy_drop: framework minus C simulation, at most; share of samples.
        board_accuracy_drop: framework minus board, at most; share of samples.
        bit_exact_share: of test samples whose outputs equal the C simulation's, at least.
        estimate: share of any resource of the part that the synthesis estimates, at most: what is
            far beyond the part ends before the long tools start.
        utilisation: share of any resource of the part, at most; also before placement, where the
            toolchain places.
        clock_error: between clock asked, built and read back, at most; relative.
        setup_slack_ns: at least, where the toolchain routes.
        hold_slack_ns: at least, where the toolchain routes.
        pulse_width_slack_ns: at least, where the toolchain routes.
        baseline: what a run does that is worse than its accepted baseline, if it has one.
        accuracy_loss: baseline minus board, at most; share of samples.
        slowdown: of latency and throughput against the baseline, at most; relative.
        growth: of any resource against the baseline, at most; share of the part.
    """

    mode: Mode = "fail"
    csim_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    board_accuracy_drop: float = Field(default=0.02, ge=0, le=1)
    bit_exact_share: float = Field(default=1.0, ge=0, le=1)
    estimate: float = Field(default=1.25, gt=0)
    utilisation: float = Field(default=1.0, gt=0)
    clock_error: float = Field(default=0.01, ge=0, le=1)
    setup_slack_ns: float = 0.0
    hold_slack_ns: float = 0.0
    pulse_width_slack_ns: float = 0.0
    baseline: Literal["fail", "warn", "ignore"] = "warn"
    accuracy_loss: float = Field(default=0.005, ge=0, le=1)
    slowdown: float = Field(default=0.05, ge=0)
    growth: float = Field(default=0.02, ge=0, le=1)


def at_most(name: str, value: float, limit: float, mode: Mode, message: str) -> Gate:
    """Passed if value <= limit."""
    return Gate(
        name=name, passed=value <= limit, value=value, threshold=limit, mode=mode, message=message
    )


def at_least(name: str, value: float, limit: float, mode: Mode, message: str) -> Gate:
    """Passed if value >= limit."""
    return Gate(
        name=name, passed=value >= limit, value=value, threshold=limit, mode=mode, message=message
    )


def require(checked: Iterable[Gate]) -> tuple[Gate, ...]:
    """The gates themselves, if each passed or only warns.

    Raises:
        DoesNotFitError: a utilisation gate failed and its mode is `fail`.
        GateError: another one did.
    """
    gates = tuple(checked)
    for gate in gates:
        if not gate.passed and gate.mode == "fail":
            error = DoesNotFitError if gate.name in UTILISATION_GATES else GateError
            raise error(
                f"gate failed: {gate.message}",
                where=gate.name,
                remedy="change the model or the settings, or the gate's threshold or mode",
            )
    return gates


def after_convert(project: HlsProject, settings: GateSettings) -> list[Gate]:
    """Accuracy that the fixed-point C simulation loses against the framework."""
    if project.accuracy_framework is None or project.accuracy_csim is None:
        return []
    drop = project.accuracy_framework - project.accuracy_csim
    return [
        at_most(
            "csim accuracy",
            drop,
            settings.csim_accuracy_drop,
            settings.mode,
            f"the C simulation classifies {project.accuracy_csim:.2%} right, the framework "
            f"{project.accuracy_framework:.2%}; allowed drop {settings.csim_accuracy_drop:.2%}",
        )
    ]


def after_synthesize(synthesis: Synthesis, settings: GateSettings) -> list[Gate]:
    """The estimate is not far beyond the part, where the toolchain estimates."""
    if synthesis.estimate is None:
        return []
    estimate = Utilisation(
        stage="estimated",
        used=synthesis.estimate,
        available=Resources.of_part(synthesis.project.settings.board_kind),
        by_module=synthesis.luts_by_layer,
    )
    mode: Mode = "warn" if synthesis.estimate_is_rough else settings.mode
    return [fits(ESTIMATED, estimate, synthesis.project.part, settings.estimate, mode)]


def before_placement(utilisation: Utilisation, part: str, settings: GateSettings) -> list[Gate]:
    """The synthesized design fits: if not, hours of placement and routing are spared."""
    return [fits(SYNTHESISED, utilisation, part, settings.utilisation, settings.mode)]


def after_implement(implementation: Implementation, settings: GateSettings) -> list[Gate]:
    """The design fits, is clocked as asked, and meets timing where that is known."""
    asked = 1000 / implementation.synthesis.project.settings.clock_period_ns
    gates: list[Gate] = []
    if implementation.synthesised is not None:
        gates += before_placement(implementation.synthesised, implementation.part, settings)
    gates += [
        fits(
            COUNTED,
            implementation.utilisation,
            implementation.part,
            settings.utilisation,
            settings.mode,
        ),
        at_most(
            "clock built",
            abs(implementation.clock_mhz / asked - 1),
            settings.clock_error,
            settings.mode,
            f"built for {implementation.clock_mhz:g} MHz, asked for {asked:g} MHz",
        ),
    ]
    if implementation.failed_nets is not None:
        nets = implementation.failed_nets
        message = f"{nets} nets are unrouted or in conflict: the design cannot work"
        gates.append(at_most("failed routes", nets, 0, settings.mode, message))
    if implementation.timing is not None:
        for kind in ("setup", "hold", "pulse_width"):
            slack = getattr(implementation.timing, f"{kind}_slack_ns")
            limit = getattr(settings, f"{kind}_slack_ns")
            name = f"{kind.replace('_', ' ')} slack"
            gates.append(
                at_least(name, slack, limit, settings.mode, f"worst {name} is {slack:+.3f} ns")
            )
    return gates


def fits(name: str, utilisation: Utilisation, part: str, limit: float, mode: Mode) -> Gate:
    """The fullest resource of the part stays below the limit."""
    shares = resource_shares(utilisation)
    fullest = max(shares, key=lambda name: shares[name])
    table = ", ".join(
        f"{name} {getattr(utilisation.used, name):g} of {getattr(utilisation.available, name):g}"
        for name in shares
    )
    biggest = sorted(utilisation.by_module.items(), key=lambda item: -item[1])[:3]
    modules = ", ".join(f"{module} {luts} LUT" for module, luts in biggest)
    message = (
        f"{fullest} of {part} is {shares[fullest]:.1%} used, {utilisation.stage} ({table}"
        f"{'; biggest: ' if modules else ''}{modules}); "
        "lower the precisions, prune or shrink the biggest layers, or take a bigger part"
    )
    return at_most(name, shares[fullest], limit, mode, message)


def resource_shares(utilisation: Utilisation) -> dict[str, float]:
    """Used over available, by resource; resources that the part lacks are left out."""
    return {
        name: getattr(utilisation.used, name) / getattr(utilisation.available, name)
        for name in Resources.model_fields
        if name != "schema_version" and getattr(utilisation.available, name) > 0
    }
