"""Measures a package on its board.

    cd PACKAGE && python3 -m board.runner --out DIR --run-id ID < LIFELINE

The package is the current directory. The run ends when stdin ends, on SIGTERM, or at --deadline.

Stdout has JSON lines: `{"event": "progress", "phase": ..., "done": ..., "of": ...}`, and at the
end `{"event": "done"}` or `{"event": "error", "kind": ..., "what": ..., "remedy": ...}`.

Exit status: 0 measured; 1 the run failed; 2 wrong arguments; 3 another run has the board;
4 the package is for another target; 5 the package is damaged; 6 no board, or loading the design
failed; 7 the controller is gone; 8 deadline; 9 the lease has ended; 128 + n ended by signal n.

--lease names the board's lease that the run belongs to; without it, the run takes one.

DIR then contains y_hw.npy (float32, samples x output shape) and results.json:

    schema_version       1
    run_id, started      --run-id; start time, UTC
    wall_s               duration of the run, with loading
    target, simulated    of the design; whether the board is a twin: times are then fabric clock
                         cycles over clock_mhz, and cover the DMA transfers only
    board                model (device tree), machine, device (pynq's name)
    versions             python, numpy, pynq
    bit_sha256           of the loaded design
    clock_mhz            read back after loading; within 0.5 % of clock_built_mhz
    clock_built_mhz      from the manifest
    samples, passes      number of test samples; number of passes over all of them
    latency_s            batch 1: p50, p95, p99 of latency_runs_s (one `predict` each)
    series               [{samples: N, seconds: [of each run]}]
    fit                  T(N) = overhead_s + per_sample_s N, fitted to the series, or null
    passes_s             seconds of each pass over all samples
    phases_s             of the median pass: encode, copy_in, dma, copy_out, decode; twin: dma
    inferences_per_s     of the median pass
    deterministic        whether all passes gave the same outputs; if not, unsteady_samples
    latency_cycles       first word in to first word out of one sample; null without counters
    cycles_per_sample    first word in to last word out of one pass, over samples; or null
    counters             of the first pass: samples, input_stall_cycles, output_stall_cycles,
                         first_out_cycles, last_out_cycles; null without counters
    csim                 mismatches (samples that differ from y_csim.npy), first ([{sample,
                         element, expected, got}]), rerun (null, or samples, wrong_together,
                         wrong_alone, suspect: "design" or "board")
    power_w              under load, sum of all rails; null: not measured
    power                idle_w, load_w by rail, or null
    y_hw_sha256          of y_hw.npy
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import io
import json
import os
import platform
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from board import measure, package, power
from board.dma import DmaError, DmaTimeoutError
from board.lease import WATCH_S, BusyError, LeaseFile
from board.supervision import (
    BUSY,
    NO_BOARD,
    STALE,
    Events,
    RunError,
    Stopped,
    Supervision,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SCHEMA = 1
CLOCK_TOLERANCE = 0.005
BATCHES = (1, 4, 16, 64, 256)
OWN_LEASE_S = 24 * 3600.0
DMA_REMEDY = (
    "if other designs run on this board, the design takes or gives another number of stream words "
    "than its manifest says; else power-cycle the board"
)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="board.runner", description="Measure a package.")
    parser.add_argument("--out", type=Path, required=True, help="directory for the results")
    parser.add_argument("--run-id", required=True, help="id of the run")
    parser.add_argument("--lease", help="id of the board's lease to run under")
    parser.add_argument("--passes", type=_positive, default=3, help="passes over all samples")
    parser.add_argument("--repeats", type=_positive, default=500, help="single-sample runs")
    parser.add_argument("--batches", type=_sizes, default=BATCHES, help="batch sizes, as 1,16,256")
    parser.add_argument("--deadline", type=float, help="most seconds for the run")
    parser.add_argument("--metered", action="store_true", help="an external meter measures power")
    parser.add_argument("--dma-timeout", type=float, default=10.0, help="seconds per transfer")
    return parser


def main() -> int:
    """Run the program and return its exit status."""
    options = arguments().parse_args()
    events = Events()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        supervision = Supervision(options.deadline)
        try:
            _run(options, events, supervision)
        except Exception:
            supervision.raise_if_stopped()
            raise
        finally:
            supervision.finish()
    except Exception as error:  # noqa: BLE001  # every failure becomes an event with its cause
        failure = _explained(error)
    except Stopped as stopped:
        failure = stopped.error
    else:
        events.emit("done")
        return 0
    events.emit("error", kind=failure.kind, what=failure.what, remedy=failure.remedy)
    return failure.code


def _run(options: argparse.Namespace, events: Events, supervision: Supervision) -> None:
    """Measure the package in the current directory and write the results."""
    started, begun = time.time(), time.monotonic()
    events.progress("verify", 0, 1)
    manifest = package.read_manifest(Path.cwd())
    device = _device()
    simulated = hasattr(device, "twin_cycles")
    names = package.design(Path.cwd(), manifest, simulated=simulated)
    with _leased(options, supervision):
        events.progress("load", 0, 1)
        overlay = _load(manifest, names, options)
        events.progress("load", 1, 1)
        try:
            outputs, figures = _measured(overlay, manifest, options, events)
        finally:
            overlay.free_buffers()
    supervision.finish()
    encoded = io.BytesIO()
    np.save(encoded, outputs)
    write_atomically(options.out / "y_hw.npy", encoded.getvalue())
    results = {
        "schema_version": SCHEMA,
        "run_id": options.run_id,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "wall_s": time.monotonic() - begun,
        "target": "twin" if simulated else "hardware",
        "bit_sha256": manifest["files"][names[0]]["sha256"],
        "board": _board(device),
        "versions": _versions(),
        "y_hw_sha256": package.digest(options.out / "y_hw.npy"),
        **figures,
    }
    write_atomically(options.out / "results.json", json.dumps(results, indent=1).encode())


@contextlib.contextmanager
def _leased(options: argparse.Namespace, supervision: Supervision) -> Iterator[None]:
    """Hold the board's lease until the run has ended.

    Raises:
        RunError: somebody else has the board.
    """
    file = LeaseFile()
    try:
        if options.lease:
            file.join(options.lease)
        else:
            own = {"id": options.run_id, "owner": f"{_user()}@{platform.node()}"}
            own.update(purpose="a run by hand", flow_run_id="", flow_run_name="")
            file.take({**own, "held": True}, options.deadline or OWN_LEASE_S)
    except BusyError as error:
        if options.lease:
            raise _stale(f"it went to {error}") from error
        remedy = "wait for it to end, or end it"
        raise RunError("busy", f"the board is taken: {error}", remedy, BUSY) from error
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(file, over, supervision), daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        if not options.lease:
            file.give_back()
        file.close()


def _watch(file: LeaseFile, over: threading.Event, supervision: Supervision) -> None:
    """End the run if the lease file is removed, since somebody else may then take the board."""
    while not over.wait(WATCH_S):
        if not file.is_current():
            supervision.abort(_stale("its file was removed"))
            return


def _stale(how: str) -> RunError:
    what = f"the run's lease of the board is over: {how}"
    return RunError("stale_lease", what, "run again under a new lease", STALE)


def _user() -> str:
    """Return the user's name, or the number if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return str(os.getuid())


def _measured(
    overlay: Any, manifest: dict[str, Any], options: argparse.Namespace, events: Events
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Run all measurements; return the outputs and their fields of results.json."""
    inputs = np.load(package.INPUTS)
    golden = np.load(package.GOLDEN)
    clock_mhz = _clock(manifest["clock_mhz"])
    bench = measure.Bench(overlay, clock_mhz)
    counters = measure.Counters.find(overlay, manifest["project_name"])
    figures = {
        "simulated": bench.simulated,
        "clock_mhz": clock_mhz,
        "clock_built_mhz": manifest["clock_mhz"],
        "samples": len(inputs),
    }
    figures.update(measure.batch_one(bench, inputs, options.repeats, events.progress))
    figures.update(measure.series(bench, inputs, options.batches, events.progress))
    figures["latency_cycles"] = measure.latency_cycles(bench, counters, inputs)
    outputs, over_all = measure.all_samples(
        bench, counters, inputs, options.passes, events.progress
    )
    figures.update(over_all)
    events.progress("compare", 0, 1)
    figures["csim"] = measure.compare(bench, inputs, outputs, golden)
    figures.update(power.measure(bench, inputs, events.progress, metered=options.metered))
    return outputs, figures


def _device() -> Any:
    """Return the board's pynq device."""
    try:
        import pynq

        device = pynq.Device.active_device
    except Exception as error:
        raise RunError(
            "no_board",
            f"pynq finds no board: {error}",
            "over SSH it needs root and the environment of /etc/profile.d/pynq_venv.sh, "
            "XILINX_XRT=/usr among it",
            NO_BOARD,
        ) from error
    return device


def _load(manifest: dict[str, Any], names: tuple[str, str], options: argparse.Namespace) -> Any:
    """Program the PL with the package's design."""
    bit = package.content_named(Path.cwd(), manifest, names, options.out / "design")
    x_shape, y_shape = ((1, *manifest[tensor]["shape"]) for tensor in ("input", "output"))
    try:
        from board.overlay import NeuralNetworkOverlay

        overlay = NeuralNetworkOverlay(str(bit), x_shape, y_shape)
    except Exception as error:
        raise RunError(
            "not_loaded",
            f"the board does not take the design: {error}",
            "check that it was built for this board, and that the run has root's rights",
            NO_BOARD,
        ) from error
    if overlay.firmware_path:  # pynq leaves a copy of every loaded design
        Path(overlay.firmware_path).unlink()
    overlay.timeout_s = options.dma_timeout
    return overlay


def _clock(built_mhz: float) -> float:
    """Read back the fabric clock in MHz; raise RunError if the design was built for another."""
    import pynq

    actual = float(pynq.Clocks.fclk0_mhz)
    if abs(actual - built_mhz) > CLOCK_TOLERANCE * built_mhz:
        raise RunError(
            "wrong_clock",
            f"the fabric runs at {actual:g} MHz, the design was built for {built_mhz:g} MHz",
            "build for a clock that the board's dividers can make",
        )
    return actual


def _explained(error: Exception) -> RunError:
    """Convert an exception to a RunError; print the traceback of an unexpected one to stderr."""
    if isinstance(error, RunError):
        return error
    if isinstance(error, DmaError):
        kind = "dma_timeout" if isinstance(error, DmaTimeoutError) else "dma_error"
        return RunError(kind, str(error), DMA_REMEDY)
    traceback.print_exception(type(error), error, error.__traceback__)
    what = f"{type(error).__name__}: {error}"
    return RunError("failed", what, "see the traceback on stderr")


def _board(device: Any) -> dict[str, str | None]:
    try:
        model = Path("/proc/device-tree/model").read_text("utf-8").strip("\0\n")
    except OSError:
        model = None
    return {"model": model, "machine": platform.machine(), "device": getattr(device, "name", None)}


def _versions() -> dict[str, str]:
    import pynq

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pynq": pynq.__version__,
    }


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_positive(size) for size in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
