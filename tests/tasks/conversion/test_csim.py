"""What the compiler says about the generated C++ is kept."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.conversion.csim import CSimulation
from tasks.core.errors import ToolError, ToolMissingError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "tiny.cpp").write_text("int tiny() { return undeclared; }\n")
    (tmp_path / "tiny_bridge.cpp").touch()
    return tmp_path


def graph() -> Any:
    """What the simulation asks of hls4ml's graph: sizes and a name."""
    variable = SimpleNamespace(size=lambda: 1)
    return SimpleNamespace(
        get_input_variables=lambda: [variable],
        get_output_variables=lambda: [variable],
        config=SimpleNamespace(get_project_name=lambda: "tiny"),
    )


def test_an_error_of_the_compiler_is_quoted_with_its_line(project: Path) -> None:
    with pytest.raises(ToolError) as failed:
        CSimulation(graph(), project, project / "g++.log")
    assert "firmware/tiny.cpp:1" in str(failed.value)
    assert "undeclared" in str(failed.value)
    assert failed.value.log == project / "g++.log"
    assert "undeclared" in (project / "g++.log").read_text()


def test_a_machine_without_a_compiler_is_told_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(project))
    with pytest.raises(ToolMissingError, match=r"g\+\+ cannot be started"):
        CSimulation(graph(), project, project / "g++.log")


def test_a_large_tensor_fits_on_the_stack(project: Path) -> None:
    """Of 32 MiB: a process has 8 by default."""
    (project / "firmware" / "tiny.cpp").write_text(
        """extern "C" void tiny_float(float *x, float *y) {
            volatile float tensor[1 << 23];
            for (unsigned i = 0; i < 1 << 23; i++) tensor[i] = x[0];
            y[0] = tensor[(1 << 23) - 1];
        }
        """
    )
    simulation = CSimulation(graph(), project, project / "g++.log")
    assert simulation(np.array([[1.5], [2.5]])).tolist() == [[1.5], [2.5]]
