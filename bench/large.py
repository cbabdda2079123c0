"""Measure the memory of every process that handles a data set of 1 GB, and of 3 million samples.

The whole data set is converted, synthesized, implemented and packaged. 3 million samples of four
features go all the way; with 80 features, the twin takes seven minutes more.

python -m bench.large MODEL DATA makes a package by the plain steps.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench import demo, processes, tiny
from bench.figures import Figure

FEATURES, FEW = 80, 4
PROCESS_MB = 1000.0
RATE_S = 600.0


def measure(home: Path, samples: int) -> list[Figure]:
    """Measure all figures.

    Args:
        home: an empty directory.
        samples: in the data.
    """
    env = demo.environment(home)
    data = tiny.make(home / "wide", samples, FEATURES)
    size_mb = (home / "wide" / "tiny.npz").stat().st_size / 1e6
    build = [sys.executable, "-m", "bench.large", data[0], data[2]]
    built_s, steps_mb, children_mb = _watched(build, env)
    demo.command(["twin", "start"], env)
    try:
        run = [*demo.OVERLAYFLOW, "run", *tiny.make(home / "long", samples, FEW), "--quiet"]
        ran_s, flow_mb, run_mb = _watched(run, env)
    finally:
        demo.command(["twin", "stop"], env)
    million = samples / 1e6
    wide, long = f"{size_mb:,.0f} MB", f"{million:.0f} million samples"
    return [
        Figure(name=f"{wide} to a package", value=built_s, unit="s", budget=RATE_S),
        Figure(name=f"{wide}, steps' process", value=steps_mb, unit="MB", budget=PROCESS_MB),
        Figure(name=f"{wide}, largest child", value=children_mb, unit="MB", budget=PROCESS_MB),
        Figure(name=f"{long}, whole run", value=ran_s, unit="s", budget=RATE_S),
        Figure(name=f"{long}, orchestrator", value=flow_mb, unit="MB", budget=PROCESS_MB),
        Figure(name=f"{long}, largest child", value=run_mb, unit="MB", budget=PROCESS_MB),
    ]


def _watched(command: list[str], env: Mapping[str, str]) -> tuple[float, float, float]:
    """Run a command; return seconds, its own peak memory and that of its largest descendant."""
    started, own, largest = time.monotonic(), 0.0, 0.0
    with subprocess.Popen(
        command,
        cwd=demo.ROOT,
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            own = max(own, demo.peak_mb(process.pid))
            children = map(demo.peak_mb, processes.tree(process.pid)[1:])
            largest = max(largest, *children, 0.0)
            time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with status {process.returncode}")
    return time.monotonic() - started, own, largest


def _build(model: Path, data: Path) -> None:
    from tasks.core.records.settings import ConvertSettings
    from tasks.core.settings import store_url
    from tasks.steps import building
    from tasks.store.store import Store
    from tasks.toolchains.choice import named

    store, toolchain = Store(store_url()), named("open")
    project = building.convert(model, data, ConvertSettings()).get(store)
    synthesis = building.synthesize(project, toolchain).get(store)
    implementation = building.implement(synthesis, toolchain).get(store)
    building.package(implementation, (), model).get(store)


if __name__ == "__main__":
    _build(Path(sys.argv[1]), Path(sys.argv[2]))
