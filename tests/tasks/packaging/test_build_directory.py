"""A package made of what hls4ml and Vivado built elsewhere."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.boards.address import BoardAddress
from tasks.core.errors import InputError, OverlayflowError, UnsupportedModelError
from tasks.core.records.design import FixedPoint
from tasks.core.records.package import Manifest
from tasks.hardware.bitfile import write_bit
from tasks.hardware.clocks import fabric_clock
from tasks.hardware.hwh_write import write_hwh
from tasks.packaging import archive, build_directory, inspection, testdata
from tasks.steps import building, measuring
from tasks.store.store import Store
from tests.tasks.toolchains.vivado.realdata import REALDATA

PART = "xc7z020clg400-1"
# How a bitstream begins: a bus width pattern, then the sync word.
BITSTREAM = bytes(b"\xff" * 8) + bytes.fromhex("000000bb11220044ffffffffaa995566") + bytes(100)
CONFIG = """\
AcceleratorConfig:
  Board: {board}
  Precision: {{Input: {words}, Output: float}}
Backend: {backend}
HLSConfig:
  Model: {{Precision: "fixed<16,6>", ReuseFactor: 1}}
KerasModel: !keras_model 'model_3/keras_model.h5'
Part: xc7z020clg400-1
ProjectName: tiny
"""
DEFINES = """\
typedef ap_ufixed<8,0,AP_RND_CONV,AP_SAT,0> input_t;
typedef nnet::array<ap_fixed<12,4>, 2*1> result_t;
"""


def config(board: str = "pynq-z2", words: str = "float", backend: str = "VivadoAccelerator") -> str:
    return CONFIG.format(board=board, words=words, backend=backend)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """hls4ml's output directory after Vivado has finished."""
    directory = tmp_path / "prj"
    runs = directory / "tiny_vivado_accelerator"
    impl = runs / "project_1.runs" / "impl_1"
    handoff = runs / "project_1.srcs/sources_1/bd/design_1/hw_handoff/design_1.hwh"
    for made in (impl, handoff.parent, directory / "firmware", directory / "tb_data"):
        made.mkdir(parents=True)
    (directory / "hls4ml_config.yml").write_text(config())
    (directory / "axi_stream_driver.py").write_text("# hls4ml's driver\n")
    (directory / "firmware" / "defines.h").write_text(DEFINES)
    write_bit(impl / "design_1_wrapper.bit", BITSTREAM, design="design_1_wrapper", part=PART)
    clock = fabric_clock("zynq7000", 100.0)
    write_hwh(handoff, project_name="tiny", part=PART, system="zynq7000", clock=clock)
    rng = np.random.default_rng(5)
    np.savetxt(directory / "tb_data" / "tb_input_features.dat", rng.random((6, 3)))
    outputs = rng.random((6, 2))
    np.savetxt(directory / "tb_data" / "tb_output_predictions.dat", outputs)
    printed = np.round(outputs * 256) / 256
    np.savetxt(directory / "tb_data" / "csim_results.log", printed, fmt="%.6g")
    return directory


def packaged(directory: Path, tmp_path: Path) -> tuple[Path, Manifest]:
    build = build_directory.read(directory)
    data = testdata.from_test_bench(directory, build.output_element)
    (tmp_path / "scratch").mkdir()
    out = tmp_path / "package.tar.gz"
    return out, build_directory.package(build, data, out, tmp_path / "scratch")


def test_a_build_becomes_a_package_for_real_boards(built: Path, tmp_path: Path) -> None:
    out, manifest = packaged(built, tmp_path)
    assert inspection.inspect(out) == manifest
    assert (manifest.target, manifest.board_kind, manifest.part) == ("hardware", "pynq-z2", PART)
    assert manifest.clock_mhz == 100.0
    assert manifest.input.element == FixedPoint(
        width=8, integer=0, signed=False, rounding="RND_CONV", saturation="SAT"
    )
    assert manifest.output.element == FixedPoint(width=12, integer=4)
    assert (manifest.input.shape, manifest.output.shape) == ((3,), (2,))
    with tarfile.open(out) as tar:
        names = set(tar.getnames())
    assert {"hls4ml_nn.bit", "hls4ml_nn.hwh", "axi_stream_driver.py", "y_csim.npy"} <= names
    assert {"board/runner.py", "board/lease.py", "manifest.json"} <= names


def test_a_twin_does_not_take_it_and_says_why(built: Path, tmp_path: Path) -> None:
    out, _ = packaged(built, tmp_path)
    store = Store(tmp_path / "store")
    twin = BoardAddress(name="twin", kind="pynq-z2", host="127.0.0.1", target="twin")
    with pytest.raises(InputError, match="a twin cannot run this package"):
        measuring.deploy(store, building.imported(out, trusted=True).get(store), twin)


def test_a_real_build_is_read(tmp_path: Path) -> None:
    if not REALDATA.exists():
        pytest.skip("the real outputs are not here")
    (real,) = REALDATA.glob("*/model_3/hls4ml_prj_pynq")
    directory = shutil.copytree(real, tmp_path / "prj")
    # What is no text was left out there.
    (directory / "axi_stream_driver.py").touch()
    (directory / "firmware").mkdir()
    (directory / "firmware" / "defines.h").write_text(DEFINES)
    impl = directory / "myproject_vivado_accelerator" / "project_1.runs" / "impl_1"
    impl.mkdir(parents=True, exist_ok=True)
    write_bit(impl / "design_1_wrapper.bit", BITSTREAM, design="design_1_wrapper", part=PART)
    build = build_directory.read(directory)
    assert build.handoff.clock_mhz == 100.0
    addresses = [each.words for each in build.handoff.addresses]
    assert addresses == ["hier_0_axi_dma_0 at 0x40400000 to 0x4040ffff"]
    data = testdata.from_npz(tiny_data(tmp_path))
    manifest = build_directory.package(build, data, tmp_path / "p.tar.gz", tmp_path)
    assert manifest.versions == {"vivado": "2019.2"}
    assert manifest.utilisation is not None
    assert manifest.utilisation.used.lut == 19879


def tiny_data(directory: Path) -> Path:
    x, y = np.zeros((6, 16), np.float32), np.zeros((6, 5), np.float32)
    np.savez(directory / "data.npz", X_test=x, y_test=y, y_csim=y)
    return directory / "data.npz"


def test_the_address_map_is_read(built: Path) -> None:
    addresses = build_directory.read(built).handoff.addresses
    assert [each.words for each in addresses] == [
        "hier_0_axi_dma_0 at 0x40400000 to 0x4040ffff",
        "hier_0_tiny_axi_0 at 0x43c00000 to 0x43c0ffff",
    ]


def test_printed_golden_outputs_are_exact_again(built: Path, tmp_path: Path) -> None:
    out, _ = packaged(built, tmp_path)
    golden = archive.read_array(out, "y_csim.npy")
    assert np.array_equal(golden * 256, np.round(golden * 256))


def test_data_may_be_given(built: Path, tmp_path: Path) -> None:
    x, y = np.ones((4, 3)), np.array([0, 1, 1, 0])
    golden = np.eye(2, dtype=np.float32)[[0, 1, 0, 0]]
    np.savez(tmp_path / "data.npz", X_test=x, y_test=y, y_csim=golden)
    data = testdata.from_npz(tmp_path / "data.npz")
    assert data.accuracy_csim == 0.75
    build = build_directory.read(built)
    manifest = build_directory.package(build, data, tmp_path / "p.tar.gz", tmp_path)
    assert (manifest.samples, manifest.accuracy_csim) == (4, 0.75)
    np.savez(tmp_path / "no_golden.npz", X_test=x, y_test=y)
    with pytest.raises(InputError, match="contains no y_csim"):
        testdata.from_npz(tmp_path / "no_golden.npz")


GIVEN = np.eye(2, dtype=np.float32)[[0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("golden", "told"),
    [
        (np.where(GIVEN == 1, np.nan, GIVEN), "NaN or infinite"),
        (GIVEN.astype(object), "is not a plain array"),
        (np.float32(1), "is not numeric, or no samples"),
        (GIVEN.astype(str), "is not numeric, or no samples"),
        (GIVEN + 1j, "is not numeric, or no samples"),
        (GIVEN[:3], "the numbers of samples differ"),
    ],
)
def test_golden_outputs_that_are_none_are_refused(golden: Any, told: str, tmp_path: Path) -> None:
    y = np.array([0, 1, 1, 0])
    np.savez(tmp_path / "data.npz", X_test=np.ones((4, 3)), y_test=y, y_csim=golden)
    with pytest.raises(InputError, match=told):
        testdata.from_npz(tmp_path / "data.npz")


@pytest.mark.parametrize(
    ("width", "golden", "told"),
    [
        (3, GIVEN / 3, "no output of the design can have, like 0.333"),  # the framework's
        (4, GIVEN, "the data have 4 inputs and 2 outputs, the design has 3 and 2"),
    ],
)
def test_data_of_another_design_are_refused(
    built: Path, tmp_path: Path, width: int, golden: Any, told: str
) -> None:
    header = "static const unsigned N_IN = 3;\nstatic const unsigned N_OUT = 2;\n"
    (built / "firmware" / "tiny_axi.h").write_text(header)
    y = np.array([0, 1, 1, 0])
    np.savez(tmp_path / "data.npz", X_test=np.ones((4, width)), y_test=y, y_csim=golden)
    data, build = testdata.from_npz(tmp_path / "data.npz"), build_directory.read(built)
    with pytest.raises(InputError, match=told):
        build_directory.package(build, data, tmp_path / "p.tar.gz", tmp_path)
    assert not (tmp_path / "p.tar.gz").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (config(board="zcu102"), "which is not a board kind"),
        (config(board="mine"), "which is not a board kind"),
        (config(words="'ap_fixed<16,6>'"), "the streams are .*, not float"),
        (config(backend="Vivado"), "backend Vivado, which does not make board designs"),
    ],
)
def test_what_cannot_run_is_named(built: Path, changed: str, told: str) -> None:
    (built / "hls4ml_config.yml").write_text(changed)
    with pytest.raises(UnsupportedModelError, match=told):
        build_directory.read(built)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("hls4ml_config.yml", "not an hls4ml build directory"),
        ("axi_stream_driver.py", r"no axi_stream_driver\.py found"),
        ("tiny_vivado_accelerator/project_1.runs/impl_1/design_1_wrapper.bit", "no bitstream"),
    ],
)
def test_what_is_missing_is_named(built: Path, lost: str, told: str) -> None:
    (built / lost).unlink()
    with pytest.raises(InputError, match=told):
        build_directory.read(built)


def test_files_of_different_builds_are_refused(built: Path) -> None:
    bit = built / "tiny_vivado_accelerator/project_1.runs/impl_1/design_1_wrapper.bit"
    write_bit(bit, BITSTREAM, design="design_1_wrapper", part="xc7z010clg400-1")
    with pytest.raises(InputError, match="the bitstream's 7z010clg400"):
        build_directory.read(built)


@pytest.mark.parametrize("text", ["a: [", "a: 1", "!!python/object/apply:os.system ['false']"])
def test_a_strange_configuration_does_no_harm(built: Path, text: str) -> None:
    (built / "hls4ml_config.yml").write_text(text)
    with pytest.raises(OverlayflowError):
        build_directory.read(built)


def test_the_command_reports_clock_and_address_map(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from deployments.cli.main import main

    out = tmp_path / "out.tar.gz"
    assert main(["package", str(built), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["manifest"]["clock_mhz"] == 100.0
    assert told["addresses"][0]["base"] == 0x40400000
    assert main(["package", str(built), "--out", str(out)]) == 0
    assert "hier_0_axi_dma_0 at 0x40400000" in capsys.readouterr().out
    assert main(["package", str(tmp_path), "--out", str(out)]) == 2
