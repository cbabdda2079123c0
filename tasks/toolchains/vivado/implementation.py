"""Runs Vivado for the step implement: from a Tcl design to bitstream, reports and record."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import BuildError, InputError
from tasks.core.records.design import Implementation, Synthesis, Timing
from tasks.hardware.bitfile import target
from tasks.hardware.hwh_read import built_clock_mhz
from tasks.toolchains.base import FitCheck
from tasks.toolchains.vivado import reports
from tasks.toolchains.vivado.job import Job, Supervision
from tasks.toolchains.vivado.products import RESUME, Products
from tasks.toolchains.vivado.progress import ProgressMeter, RunsProgress
from tasks.toolchains.vivado.reports import TimingReport
from tasks.toolchains.vivado.supervised import Step, judge
from tasks.toolchains.vivado.workplace import Workplace

_log = logging.getLogger(__name__)
_PHASE = "implement"
# tcl/runs.tcl writes it as soon as the runs are launched.
_LAUNCHED = "overlayflow_launched"
_SAME_CLOCK = 0.01
_MODULES = 50
_TOP_LEVELS = 2  # the wrapper and the block design, which hold all the others


def implemented(
    job: Job,
    runs: Supervision,
    synthesis: Synthesis,
    *,
    implementer: str,
    products: Products,
    script: Path,
    arguments: Sequence[str] = (),
) -> Implementation:
    """Run Vivado to its end, retrying failures that may be transient; see VivadoBuild.

    Raises:
        ToolError: Vivado failed.
    """
    hooks = runs.hooks
    size = float(synthesis.estimate.lut) if synthesis.estimate else 0.0
    with job.metered(hooks.listener, size) as meter:
        build = VivadoBuild(
            place=job.place,
            step=job.step,
            synthesis=synthesis,
            implementer=implementer,
            products=products,
            script=script,
            arguments=arguments,
            meter=meter,
            fits=hooks.fits,
        )
        job.step.attempt(job.jobs, runs.patience, hooks.licence, build.attempt)
    return job.step.collected(build.collect)


@dataclass(frozen=True)
class VivadoBuild:
    """One implementation.

    Attributes:
        place: its workplace.
        step: of the build.
        synthesis: to implement.
        implementer: name of the implementer.
        products: files that Vivado makes.
        script: Tcl script that starts it.
        arguments: of the script, after the jobs and the clock.
        meter: of the progress.
        fits: receives the utilisation after synthesis; ends the build by raising.
    """

    place: Workplace
    step: Step
    synthesis: Synthesis
    implementer: str
    products: Products
    script: Path
    arguments: Sequence[str]
    meter: ProgressMeter
    fits: FitCheck

    @property
    def _name(self) -> str:
        return self.synthesis.project.settings.project_name

    def attempt(self, number: int, jobs: int) -> BuildError | None:
        """Run Vivado once, unless everything is done.

        Args:
            number: of the attempt, from 1.
            jobs: parallel runs that Vivado may do.

        Raises:
            OverlayflowError: raised by `fits`; Vivado was stopped early in placement.
        """
        if self.place.is_done(_PHASE):
            return None
        products = self.products
        script = self._script(products, jobs)
        products.utilisation.unlink(missing_ok=True)
        shutil.rmtree(products.reports, ignore_errors=True)
        counted = FitWatcher(products.synthesised, self.fits)
        progress = RunsProgress(self.meter, products.runs)

        def poll() -> bool:
            counted.poll()
            return progress.poll()

        counted.poll()  # an earlier run may have got that far
        run = self.step.run(
            ["-mode", "batch", *script], number, on_line=self.step.tell, on_poll=poll
        )
        counted.poll()
        broken = run.returncode == 0 and products.bit.exists() and products.bit_problem()
        error = judge(
            run,
            self.step,
            unfinished=list(products.lacking()),
            logs=products.failed_logs(),
            # If Vivado reports success but the file is truncated, the next attempt may succeed.
            otherwise="transient" if broken else "permanent",
        )
        if error is None:
            files = (products.bit, products.handoff, products.utilisation, products.synthesised)
            self.place.done(_PHASE, files)
        return error

    def _script(self, products: Products, jobs: int) -> list[str | Path]:
        """Return arguments that start the build, or resume one whose runs were launched before."""
        clock_mhz = 1000 / self.synthesis.project.settings.clock_period_ns
        arguments = [str(jobs), f"{clock_mhz:.6f}"]
        if not (self.place.project / _LAUNCHED).exists():
            products.synthesised.unlink(missing_ok=True)
            return ["-source", self.script, "-tclargs", *arguments, *self.arguments]
        repeat = products.to_repeat()
        _log.info("going on after the runs that are done; again: %s", ", ".join(repeat) or "none")
        if "impl_1" in repeat:
            products.bit.unlink(missing_ok=True)
        if set(repeat) - {"impl_1"}:
            products.synthesised.unlink(missing_ok=True)
        return ["-source", RESUME, "-tclargs", *arguments, str(products.project_file), *repeat]

    def collect(self) -> Implementation:
        """Copy the entry's files and read the reports.

        Raises:
            InputError: a report is missing or incomplete.
        """
        products, out = self.products, self.step.out
        bit, handoff = out / f"{self._name}.bit", out / f"{self._name}.hwh"
        shutil.copyfile(products.bit, bit)
        shutil.copyfile(products.handoff, handoff)
        directory = shutil.copytree(products.reports, out / "reports")
        shutil.copyfile(products.utilisation, directory / "utilization_hierarchical.rpt")
        shutil.copyfile(products.synthesised, directory / products.synthesised.name)
        clock_mhz = built_clock_mhz(handoff)
        placed = reports.read_utilisation(directory / "utilization_placed.rpt")
        return Implementation(
            entry=self.step.entry,
            synthesis=self.synthesis,
            implementer=self.implementer,
            target=target(bit),
            part=self.synthesis.project.part,
            clock_mhz=clock_mhz,
            utilisation=placed.model_copy(update={"by_module": _by_module(directory)}),
            synthesised=reports.read_utilisation(products.synthesised),
            timing=_timing(directory / "timing_summary_routed.rpt", clock_mhz),
            failed_nets=reports.read_failed_nets(directory / "route_status.rpt"),
            power_estimate_w=reports.read_power_w(directory / "power_routed.rpt"),
            versions={self.step.tool: self.step.version},
        )


class FitWatcher:
    """Reports the design's utilisation once, as soon as Vivado has counted it.

    Args:
        report: of the synthesized design; it appears atomically.
        fits: receives the utilisation.
    """

    def __init__(self, report: Path, fits: FitCheck) -> None:
        self._report = report
        self._fits = fits
        self._told = False

    def poll(self) -> None:
        """Look for the report."""
        if not self._told and self._report.exists():
            self._told = True
            self._fits(reports.read_utilisation(self._report))


def _by_module(directory: Path) -> dict[str, int]:
    """Return the LUTs of the biggest instances, below the top levels."""
    counted = [
        (each.path.split("/", _TOP_LEVELS)[-1], each.lut)
        for each in reports.read_hierarchy(directory / "utilization_hierarchical.rpt")
        if each.depth >= _TOP_LEVELS and each.lut
    ]
    return dict(sorted(counted, key=lambda item: -item[1])[:_MODULES])


def _timing(report: Path, clock_mhz: float) -> Timing:
    """Read the slacks, and check that they were analysed for the fabric's clock."""
    timing = reports.read_timing(report)
    if not any(abs(mhz / clock_mhz - 1) < _SAME_CLOCK for mhz in timing.clocks_mhz.values()):
        found = ", ".join(f"{name} at {mhz:g} MHz" for name, mhz in timing.clocks_mhz.items())
        raise InputError(
            f"it analyses {found or 'no clock'}, but the fabric's clock is {clock_mhz:g} MHz",
            where=str(report),
            remedy="implement it again",
        )
    return Timing(
        setup_slack_ns=_checked(timing, timing.setup_ns, report),
        hold_slack_ns=_checked(timing, timing.hold_ns, report),
        pulse_width_slack_ns=_checked(timing, timing.pulse_width_ns, report),
    )


def _checked(timing: TimingReport, slack_ns: float | None, report: Path) -> float:
    if slack_ns is None:
        raise InputError(
            f"the timing was not checked ({timing.verdict})",
            where=str(report),
            remedy="implement it again",
        )
    return slack_ns
