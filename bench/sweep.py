"""Sweeps against the same runs one after the other, and what orchestration costs per point.

python -m bench.sweep [--points 12] [--many 200]; half an hour in full, on two cores.
"""

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench import demo
from bench.figures import Figure
from tests.flows.conftest import free_port

FEW = 10
RATIO, PER_POINT_S, GROWTH, STORED_S, SERVER_MB = 0.65, 3.0, 1.5, 30.0, 500.0
BASE = f"base: {{model: {demo.DIGITS / 'digits.keras'}, data: {demo.DIGITS / 'digits.npz'}}}\n"


def measure(home: Path, points: int, many: int) -> list[Figure]:
    """All figures.

    Args:
        home: an empty directory.
        points: variants of the digits example that are really built.
        many: points of the sweep that only costs orchestration.
    """
    env = demo.environment(home / "sweep")
    alone = demo.environment(home / "alone")
    demo.command(["twin", "start"], env)
    twins = Path(alone["OVERLAYFLOW_HOME"]) / "twins"
    twins.parent.mkdir(parents=True)
    twins.symlink_to(Path(env["OVERLAYFLOW_HOME"]) / "twins")
    try:
        with demo.server(alone, free_port()) as served:
            apart_s, template = _one_after_the_other(variants(points), served)
        with demo.server(env, free_port()) as served:
            together_s = _together(home, variants(points), served)
            run = home / "run.json"
            run.write_text(template)
            few_s = _empty(_many(home, FEW), run, served) / FEW
            many_s = _empty(_many(home, many), run, served) / many
            server_mb = _server_bytes(served) / 1e6
            file = _many(home, many)
            filled = {**served, "OVERLAYFLOW_STORE": str(file.with_suffix(".store"))}
            stored_s, _, _ = demo.command(["sweep", str(file), "--json"], filled)
    finally:
        demo.command(["twin", "stop"], env)
    return [
        Figure(
            name=f"sweep of {points} over {points} runs one after the other",
            value=together_s / apart_s,
            unit="",
            budget=RATIO,
        ),
        Figure(
            name=f"orchestration, {FEW} points", value=few_s, unit="s/point", budget=PER_POINT_S
        ),
        Figure(
            name=f"orchestration, {many} points", value=many_s, unit="s/point", budget=PER_POINT_S
        ),
        Figure(name=f"growth from {FEW} to {many}", value=many_s / few_s, unit="", budget=GROWTH),
        Figure(name=f"{many} points in the store", value=stored_s, unit="s", budget=STORED_S),
        Figure(name=f"server, {many} runs", value=server_mb, unit="MB", budget=SERVER_MB),
    ]


def variants(number: int) -> list[tuple[str, float]]:
    """Words and clock period in ns of so many digits designs."""
    clocks = [8.0, 10.0, 12.5, 16.0, 20.0, 25.0]
    return [(words, clock) for clock in clocks for words in ("float32", "packed")][:number]


def _one_after_the_other(
    chosen: list[tuple[str, float]], env: Mapping[str, str]
) -> tuple[float, str]:
    """Seconds of the runs, and the record of the last."""
    taken, output = 0.0, ""
    for words, clock in chosen:
        options = ["--words", words, "--clock-period", str(clock)]
        seconds, _, output = demo.command([*demo.RUN, *options], env)
        taken += seconds
    return taken, output


def _together(home: Path, chosen: list[tuple[str, float]], env: Mapping[str, str]) -> float:
    points = "".join(f"- {{words: {words}, clock_period_ns: {clock}}}\n" for words, clock in chosen)
    file = home / "variants.yaml"
    file.write_text(f"name: variants\n{BASE}points:\n{points}")
    seconds, _, _ = demo.command(["sweep", str(file), "--json"], env)
    return seconds


def _many(home: Path, number: int) -> Path:
    clocks = [30 + each / 10 for each in range(number)]
    file = home / f"many-{number}.yaml"
    file.write_text(f"name: many-{number}\n{BASE}axes: {{clock_period_ns: {clocks}}}\n")
    return file


def _empty(file: Path, run: Path, env: Mapping[str, str]) -> float:
    done = subprocess.run(
        [sys.executable, "-m", "bench.empty_points", str(file), str(run)],
        cwd=demo.ROOT,
        env={**env, "OVERLAYFLOW_STORE": str(file.with_suffix(".store"))},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def _server_bytes(env: Mapping[str, str]) -> int:
    """Resident memory of the Prefect server, once it has digested what it was sent."""
    time.sleep(10)
    port = env["PREFECT_API_URL"].rpartition(":")[2].partition("/")[0].encode()
    total = 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if port in line.read_bytes().split(b"\0"):
                pages = line.with_name("statm").read_text(encoding="ascii").split()[1]
                total += int(pages) * resource.getpagesize()
    return total


def main() -> int:
    """Print the figures beside their budgets; 1 if one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=12)
    parser.add_argument("--many", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        figures = measure(Path(directory), arguments.points, arguments.many)
    for figure in figures:
        print(figure)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
