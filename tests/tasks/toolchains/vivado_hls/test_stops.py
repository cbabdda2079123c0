"""Tools that hang, flows that are killed: nothing is left running, and the build goes on later."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core.errors import ToolTimeoutError
from tasks.core.records.design import Synthesis
from tasks.steps import building
from tasks.toolchains.choice import named
from tasks.toolchains.vivado.supervised import Limits
from tests.tasks.toolchains.vivado_hls.conftest import Bench, processes
from tests.tasks.toolchains.vivado_hls.test_failures import IMPLEMENTED
from tests.waiting import until

BUILD = """
import sys
from pathlib import Path
from tasks.core.records.design import Synthesis
from tasks.steps import building
from tasks.store.store import Store
from tasks.toolchains.choice import named
synthesis = Synthesis.model_validate_json(Path(sys.argv[2]).read_text())
building.implement(synthesis, named("vivado-hls")).get(Store(sys.argv[1]))
"""


def wait_until_hanging(bench: Bench) -> None:
    until(lambda: bench.events("hang"))


def wait_until_gone(bench: Bench) -> None:
    until(lambda: not processes(bench))


def test_a_tool_that_falls_silent_is_stopped_with_all_its_children(bench: Bench) -> None:
    bench.strike(name="hls-hang", at="export_design")
    bench.limits = Limits(stall_s=2.0)
    with pytest.raises(ToolTimeoutError, match="printed nothing for 2 s"):
        bench.synthesize()
    assert bench.events("hang")
    assert not processes(bench)
    assert list((bench.home / "failures").glob("*.tar.gz"))

    bench.fail()
    bench.forget()
    bench.synthesize()
    assert tuple(event["name"] for event in bench.events("command")) == ("export_design",)


def test_a_tool_beyond_its_deadline_is_stopped(bench: Bench, synthesized: Synthesis) -> None:
    bench.fail("vivado-hang")
    bench.limits = Limits(implement_s=4.0)
    with pytest.raises(ToolTimeoutError, match="did not end within 4 s"):
        bench.implement(synthesized)
    assert not processes(bench)


def test_a_flow_that_is_killed_takes_the_tools_along_and_loses_no_finished_run(
    bench: Bench, synthesized: Synthesis, tmp_path: Path
) -> None:
    bench.fail("vivado-hang")
    record = tmp_path / "synthesis.json"
    record.write_text(synthesized.model_dump_json())
    flow = subprocess.Popen(
        [sys.executable, "-c", BUILD, bench.store_root, record],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_until_hanging(bench)
    flow.send_signal(signal.SIGKILL)
    flow.wait()
    wait_until_gone(bench)
    assert not list((bench.store_root / "implement").glob("*"))

    bench.fail()
    bench.forget()
    building.implement(synthesized, named("vivado-hls")).get(bench.store)
    assert tuple(event["run"] for event in bench.events("run")) == IMPLEMENTED
