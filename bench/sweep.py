"""Compare sweeps with the same runs one after the other; measure orchestration per point.

python -m bench.sweep [--points 12] [--many 200]; half an hour in full, on two cores.
"""

import argparse
import contextlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench import demo
from bench.figures import Figure

POINTS, FEW, MANY, BY_WORKERS = 12, 10, 200, 6
RATIO, PER_POINT_S, POOL_POINT_S, GROWTH, STORED_S, SERVER_MB = 0.65, 3.0, 15.0, 1.5, 30.0, 500.0
BASE = f"base: {{model: {demo.DIGITS / 'digits.keras'}, data: {demo.DIGITS / 'digits.npz'}}}\n"
POOL = "bench"
DEPLOYMENT = f"""
name: bench
pull:
- prefect.deployments.steps.set_working_directory: {{directory: {demo.ROOT}}}
deployments:
- name: bench
  entrypoint: bench/empty_points.py:empty_point
  work_pool: {{name: {POOL}}}
"""


def measure(home: Path, points: int = POINTS, many: int = MANY) -> list[Figure]:
    """Measure all figures.

    Args:
        home: an empty directory.
        points: number of variants of the digits example to build.
        many: number of points of the sweep that only measures orchestration.
    """
    home.mkdir(parents=True, exist_ok=True)
    env = demo.environment(home / "sweep")
    demo.command(["twin", "start"], env)
    try:
        ratio, template = _real_points(home, env, variants(points))
        (home / "run.json").write_text(template)
        empty = empty_points(home, {**env, "BENCH_RUN": str(home / "run.json")}, many)
    finally:
        demo.command(["twin", "stop"], env)
    name = f"sweep of {points} over {points} runs one after the other"
    return [Figure(name=name, value=ratio, unit="", budget=RATIO), *empty]


def _real_points(
    home: Path, env: Mapping[str, str], chosen: list[tuple[str, float]]
) -> tuple[float, str]:
    """Return a sweep's time over that of its runs one after the other, and the record of a run."""
    alone = demo.environment(home / "alone")
    twins = Path(alone["OVERLAYFLOW_HOME"]) / "twins"
    twins.parent.mkdir(parents=True)
    twins.symlink_to(Path(env["OVERLAYFLOW_HOME"]) / "twins")
    with demo.server(alone) as served:
        apart_s, template = _one_after_the_other(chosen, served)
    with demo.server(env) as served:
        return _together(home, chosen, served) / apart_s, template


def empty_points(home: Path, env: Mapping[str, str], many: int) -> list[Figure]:
    """Measure the cost of points that do nothing, and of points that are in the store."""
    with demo.server(env) as served:
        few_s = _empty(_many(home, FEW), served) / FEW
        many_s = _empty(_many(home, many), served) / many
        server_mb = _server_bytes(served) / 1e6
        file = _many(home, many)
        filled = {**served, "OVERLAYFLOW_STORE": str(file.with_suffix(".store"))}
        stored_s, _, _ = demo.command(["sweep", str(file), "--json"], filled)
        pool_s = _by_workers(home, served) / BY_WORKERS
    return [
        Figure(
            name=f"orchestration, {FEW} points", value=few_s, unit="s/point", budget=PER_POINT_S
        ),
        Figure(
            name=f"orchestration, {many} points", value=many_s, unit="s/point", budget=PER_POINT_S
        ),
        Figure(name=f"growth from {FEW} to {many}", value=many_s / few_s, unit="", budget=GROWTH),
        Figure(name="orchestration, work pool", value=pool_s, unit="s/point", budget=POOL_POINT_S),
        Figure(name=f"{many} points in the store", value=stored_s, unit="s", budget=STORED_S),
        Figure(name=f"server, {many} runs", value=server_mb, unit="MB", budget=SERVER_MB),
    ]


def _by_workers(home: Path, env: Mapping[str, str]) -> float:
    """Time a sweep of empty points on a work pool, two at a time."""
    file = _many(home, BY_WORKERS)
    spec = home / "prefect.yaml"
    spec.write_text(DEPLOYMENT)
    own = {**env, "OVERLAYFLOW_STORE": str(home / "pool.store")}
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    for arguments in (
        ["work-pool", "create", POOL, "--type", "process"],
        ["deploy", "--all", "--prefect-file", str(spec)],
    ):
        subprocess.run(
            [*prefect, *arguments],
            env=own,
            cwd=demo.ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    with _worker(own):
        return _empty(file, own, "empty-point/bench")


@contextlib.contextmanager
def _worker(env: Mapping[str, str]) -> Iterator[None]:
    """Run a worker as `overlayflow up` does."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "2"]
    process = subprocess.Popen(
        command,
        env={**env, "PREFECT_WORKER_QUERY_SECONDS": "5"},
        cwd=demo.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        # Every run has ended. A worker passes SIGTERM on to itself as SIGINT, which jobs that a
        # script starts in the background ignore.
        process.kill()
        process.wait()


def variants(number: int) -> list[tuple[str, float]]:
    """Return words and clock period in ns of this many designs for the digits."""
    clocks = [8.0, 10.0, 12.0, 16.0, 20.0, 25.0]
    return [(words, clock) for clock in clocks for words in ("float32", "packed")][:number]


def _one_after_the_other(
    chosen: list[tuple[str, float]], env: Mapping[str, str]
) -> tuple[float, str]:
    """Return the seconds of the runs, and the record of the last one."""
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
    factors = list(range(1, number + 1))
    file = home / f"many-{number}.yaml"
    file.write_text(f"name: many-{number}\n{BASE}axes: {{reuse_factor: {factors}}}\n")
    return file


def _empty(file: Path, env: Mapping[str, str], deployment: str = "") -> float:
    """Time a sweep of points that do nothing."""
    store = env.get("OVERLAYFLOW_STORE", str(file.with_suffix(".store")))
    done = subprocess.run(
        [sys.executable, "-m", "bench.empty_points", str(file), deployment],
        cwd=demo.ROOT,
        env={**env, "OVERLAYFLOW_STORE": store},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.splitlines()[-1])


def _server_bytes(env: Mapping[str, str]) -> int:
    """Return the resident memory of the Prefect server once it has processed all requests."""
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
    """Print the figures with their budgets; return 1 if one exceeds its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--many", type=int, default=MANY)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overlayflow-bench-") as directory:
        figures = measure(Path(directory), arguments.points, arguments.many)
    for figure in figures:
        print(figure)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
