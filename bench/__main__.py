"""Measure speed and size against their budgets: python -m bench.

Prints each figure with its budget and writes bench/results.json. Everything is measured in one run
on the same machine, in temporary homes; the user's files are not touched. It takes 45 minutes on
two cores, mostly for the sweeps, which python -m bench.sweep measures alone.
"""

import os
import sys
import tempfile
from pathlib import Path

from bench import boards, cores, demo, fabric, sweep, transfer
from bench.figures import Figure, Results

RESULTS = Path(__file__).with_name("results.json")
# The fastest of several runs counts, for the flow as for the plain script: at the end of a run,
# Prefect waits up to a second for its heartbeat's thread.
TIMES = 6


def main() -> int:
    """Measure, print and write all figures; return 1 if one exceeds its budget."""
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        home = Path(directory)
        figures = [
            *_demo(home / "demo"),
            *_transfer(),
            *boards.measure(),
            *cores.measure(home / "cores"),
            *sweep.measure(home / "sweep"),
        ]
    results = Results(cores=os.cpu_count() or 0, figures=figures)
    RESULTS.write_text(results.model_dump_json(indent=1))
    for figure in figures:
        print(figure)
    print(f"written to {RESULTS}")
    return 0 if all(figure.met for figure in figures) else 1


def _demo(home: Path) -> list[Figure]:
    """Measure the main job, cold and warm, and its overhead over a plain script."""
    env = demo.environment(home)
    help_s = min(demo.command(["--help"], env)[0] for _ in range(3))
    twin_s, _, _ = demo.command(["twin", "start"], env)
    try:
        cold_s, cold_mb, output = demo.command(demo.RUN, env)
        warm_s, _, _ = demo.command(demo.RUN, env)
        with demo.server(env) as served:
            demo.command(demo.RUN, served)  # the server has not seen these steps yet
            served_s, served_mb, _ = min(demo.command(demo.RUN, served) for _ in range(TIMES))
            plain_s = min(demo.plain(served) for _ in range(TIMES))
        speed = fabric.cycles_per_second(Path(env["OVERLAYFLOW_HOME"]), output)
    finally:
        demo.command(["twin", "stop"], env)
    return [
        Figure(name="overlayflow --help", value=help_s, unit="s", budget=0.5),
        Figure(name="demo after set-up, cold", value=twin_s + cold_s, unit="s", budget=150),
        Figure(name="demo from the cache, own server", value=warm_s, unit="s", budget=45),
        Figure(name="demo from the cache, running server", value=served_s, unit="s", budget=10),
        Figure(name="orchestrator", value=max(cold_mb, served_mb), unit="MB", budget=400),
        Figure(name="flow over plain script", value=served_s - plain_s, unit="s", budget=3),
        Figure(
            name="fabric of the digits design",
            value=speed,
            unit="cycles/s",
            budget=100_000,
            at_least=True,
        ),
    ]


def _transfer() -> list[Figure]:
    """Compare the transfer of 64 MB with scp to the same server."""
    return [
        Figure(
            name=f"transfer over scp's throughput, {measured.server}",
            value=measured.ratio,
            unit="",
            budget=transfer.BUDGET,
            at_least=True,
        )
        for measured in transfer.measure()
    ]


if __name__ == "__main__":
    sys.exit(main())
