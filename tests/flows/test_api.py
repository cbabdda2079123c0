"""The Python interface, by the code that the documentation shows."""

import re
import subprocess
import sys

import pytest

from tests.flows.conftest import ROOT, Machine

pytestmark = pytest.mark.slow

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def printed(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the page's code prints, run as one script in a directory with the examples."""
    place = tmp_path_factory.mktemp("script")
    (place / "examples").symlink_to(ROOT / "examples")
    code = "\n".join(BLOCK.findall((ROOT / "docs" / "python.md").read_text()))
    (place / "page.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=place,
        env={**machine.env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_script_runs_reads_and_compares(printed: list[str]) -> None:
    assert printed[0].startswith("True 0.9688")
    assert "(450, 10)" in printed
    assert any("('words', ('float32', 'packed'))" in line for line in printed)
    latency = next(line for line in printed if line.startswith("latency (µs)"))
    assert "%" in latency
