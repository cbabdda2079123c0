"""A flow's process and its tools end when the worker that started them is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import until

FLOW = """
import logging, os, sys
from pathlib import Path
from prefect.logging.handlers import PrefectConsoleHandler
from tasks.orchestration import worker_watch
from tasks.processes.run import run_tool
logging.getLogger("tasks").addHandler(PrefectConsoleHandler(sys.stdout))
worker_watch.watch()
here = Path(sys.argv[1])
deaf = "trap '' TERM; echo $$ > tool; while true; do sleep 0.1; done"
(here / "flow").write_text(str(os.getpid()))
run_tool(["sh", "-c", deaf], cwd=here, log=here / "log", step="synthesize", deadline_s=600)
"""
# It reads what the flow prints, as Prefect's does.
WORKER = """
import subprocess, sys
subprocess.run([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
"""


def runs(file: Path) -> bool:
    return Path("/proc", file.read_text().strip()).exists()


@pytest.mark.parametrize("started_by", ["worker", "person"])
def test_kill_9_of_a_worker_ends_its_flow_and_the_flows_tools(
    tmp_path: Path, started_by: str
) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    if started_by == "worker":
        environment["PREFECT__FLOW_RUN_ID"] = "a run"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, FLOW, tmp_path], env=environment)
    flow, tool = tmp_path / "flow", tmp_path / "tool"
    until(lambda: tool.exists() and tool.read_text().endswith("\n"))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    if started_by == "person":
        time.sleep(3)  # three looks of a watch that must not be there
        assert runs(flow)
        assert runs(tool)
        os.kill(int(flow.read_text()), signal.SIGTERM)
    until(lambda: not runs(flow) and not runs(tool))
