"""Both shells and their registers keep to AXI4-Stream and AXI4-Lite, as models of others see it."""

from pathlib import Path

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner
from find_libpython import find_libpython

from tasks.toolchains.open.image import verilator_root
from tests.tasks.toolchains.axi_cases import AXI_CASES

ROOT = Path(__file__).parents[4]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_libpython(), reason="cocotb needs Python as a shared library"),
]


@pytest.mark.parametrize("name", AXI_CASES)
def test_the_models_of_cocotbext_axi_find_nothing_wrong(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    design = AXI_CASES[name].build(tmp_path)
    root = verilator_root()
    monkeypatch.setenv("VERILATOR_ROOT", str(root))
    monkeypatch.setenv("PATH", str(root / "bin"), prepend=":")
    # Compiling takes longer than running.
    monkeypatch.setenv("MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0")
    runner = get_runner("verilator")
    runner.build(
        sources=list(design.files),
        hdl_toplevel=design.top,
        build_dir=tmp_path / "build",
        build_args=["-Wno-fatal", "-Wno-lint"],
        timescale=("1ns", "1ps"),
        log_file=tmp_path / "build.log",
    )
    results = runner.test(
        hdl_toplevel=design.top,
        test_module="tests.tasks.toolchains.shell.axi_bench",
        build_dir=tmp_path / "build",
        test_dir=tmp_path,
        extra_env={"AXI_CASE": name, "PYTHONPATH": str(ROOT)},
        seed=1,
        log_file=tmp_path / "test.log",
    )
    assert get_results(results) == (5, 0), (tmp_path / "test.log").read_text()
