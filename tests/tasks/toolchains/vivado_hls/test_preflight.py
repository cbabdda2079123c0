"""A machine that is not ready is found out in seconds, with remedies."""

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from board.kinds import board_kinds
from tasks.conversion.keras_text import HDF5_MAGIC
from tasks.core.errors import InputError, ToolMissingError
from tasks.core.records.settings import BuildSettings
from tasks.core.requirements import Finding, require
from tasks.toolchains.choice import choose
from tasks.toolchains.vivado.installation import find
from tasks.toolchains.vivado.preflight import Machine, jobs, preloaded
from tasks.toolchains.vivado_hls import preflight
from tests.tasks.toolchains.vivado_hls.conftest import REPLAY, Bench

MACHINE = Machine(cores=4, memory_gib=16, disk_gib=100, container=False, udev=None)


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools have not been asked in this process."""
    monkeypatch.setattr("tasks.toolchains.vivado.installation._answers", {})


def wrong(bench: Bench, kind: str = "pynq-z2", machine: Machine = MACHINE) -> dict[str, Finding]:
    del bench  # its environment is what matters
    found = preflight.examine(find(), board_kinds()[kind], machine).findings
    return {each.name: each for each in found if not each.ok}


def test_a_machine_that_is_ready_has_nothing_wrong(bench: Bench) -> None:
    assert not wrong(bench)
    assert bench.toolchain.check() != bench.toolchain.check("pynq-z2")
    require(bench.toolchain.check("pynq-z2"), "here")


def test_without_vivado_the_error_says_what_to_install_or_use(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert set(wrong(bench)) == {"vivado_hls", "vivado"}
    assert choose("auto").name == "open"
    with pytest.raises(ToolMissingError) as raised:
        choose("vivado-hls")
    assert "install Vivado 2019.2 or 2020.1" in raised.value.remedy
    assert "toolchain open" in raised.value.remedy
    with pytest.raises(ToolMissingError) as raised:
        choose("vivado")
    assert "install Vivado 2019.1 or later" in raised.value.remedy


def keras_archive(path: Path, package: str) -> Path:
    """A .keras file as far as it is read before anything is converted."""
    layer = {"class_name": "Dense", "registered_name": f"{package}>Dense", "module": package}
    with zipfile.ZipFile(path, "w") as archive:
        model = {"class_name": "Functional", "config": {"layers": [layer]}}
        archive.writestr("config.json", json.dumps(model))
        archive.writestr("model.weights.h5", HDF5_MAGIC)
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
    return path


def test_auto_takes_vivado_where_it_is_and_the_core_fits(bench: Bench, tmp_path: Path) -> None:
    plain = keras_archive(tmp_path / "plain.keras", "keras.layers")
    quantised = keras_archive(tmp_path / "quantised.keras", "hgq.layers")
    assert choose("auto").name == "vivado"
    assert choose("auto", plain, "kv260").name == "vivado"
    assert choose("auto", quantised, "pynq-z2").name == "vivado"
    assert choose("auto", plain, "alveo-u50").name == "open"
    assert choose("auto", plain, "pynq-z2", fits=False).name == "vivado-hls"
    assert choose("auto", plain, "kv260", fits=False).name == "open"
    assert choose("auto", quantised, "pynq-z2", fits=False).name == "open"
    assert choose("auto", plain, "pynq-z2", build=BuildSettings(cosim=True)).name == "vivado-hls"
    assert "a Vivado is installed" in choose("auto", plain).reason
    assert not choose("vivado", plain).reason
    with pytest.raises(InputError, match="no block design for an HGQ model"):
        choose("vivado-hls", quantised, "pynq-z2")
    assert not bench.events("start")


def test_a_vivado_without_vivado_hls_is_told_from_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "vivado").write_text(f'#!/bin/sh\nexec {REPLAY}/vivado "$@"\n')
    (newer / "vivado").chmod(0o755)
    bench.fail(version="2023.1")
    monkeypatch.setenv("PATH", f"{newer}:/usr/bin:/bin")
    found = wrong(bench)
    assert "since 2020.2" in found["vivado_hls"].detail
    assert "2023.1 is not 2019.2 or 2020.1" in found["vivado"].detail


def test_a_library_that_is_missing_is_named(bench: Bench) -> None:
    bench.fail("libtinfo")
    found = wrong(bench)
    assert set(found) == {"vivado_hls", "vivado"}
    assert "libtinfo.so.5" in found["vivado"].detail
    assert "libtinfo5" in found["vivado"].remedy


@pytest.mark.parametrize(
    ("fields", "name", "remedy"),
    [
        ({"y2k22_patch": False}, "y2k22 patch", "76960"),
        ({"board_parts": []}, "board files", "board_files"),
        ({"parts": ["xczu9eg-ffvb1156-2-e"]}, "device", "installer"),
    ],
)
def test_an_installation_that_lacks_something_is_found_out(
    bench: Bench, fields: dict[str, object], name: str, remedy: str
) -> None:
    bench.fail(**fields)  # type: ignore[arg-type] # the fields of the scenario
    found = wrong(bench)
    assert set(found) == {name}
    assert remedy in found[name].remedy


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (replace(MACHINE, memory_gib=4.0), "memory"),
        (replace(MACHINE, disk_gib=0.5), "disk"),
        (replace(MACHINE, container=True), "libudev"),
    ],
)
def test_a_machine_that_is_too_small_is_found_out(
    bench: Bench, machine: Machine, name: str
) -> None:
    assert set(wrong(bench, machine=machine)) == {name}


def test_in_a_container_libudev_is_loaded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    udev = Path("/lib/libudev.so.1")
    monkeypatch.setenv("LD_PRELOAD", "/lib/other.so")
    inside = replace(MACHINE, container=True, udev=udev)
    assert preloaded(inside) == {"LD_PRELOAD": f"{udev} /lib/other.so"}
    assert preloaded(replace(MACHINE, udev=udev)) == {}


def test_a_part_that_needs_a_licence_needs_one_to_be_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LM_LICENSE_FILE", raising=False)
    monkeypatch.delenv("XILINXD_LICENSE_FILE", raising=False)
    assert set(wrong(bench, "zcu102")) == {"licence"}
    monkeypatch.setenv("XILINXD_LICENSE_FILE", "2100@licences")
    assert not wrong(bench, "zcu102")


def test_a_settings_file_sets_the_tools_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "settings64.sh"
    settings.write_text(f"export PATH={REPLAY}:$PATH XILINX_VIVADO=/opt/none\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("OVERLAYFLOW_VIVADO_SETTINGS", str(settings))
    assert not wrong(bench)
    assert find().environment["XILINX_VIVADO"] == "/opt/none"
    monkeypatch.setenv("OVERLAYFLOW_VIVADO_SETTINGS", str(tmp_path / "none.sh"))
    assert "cannot be sourced" in wrong(bench)["settings64.sh"].detail


def test_tools_are_found_under_xilinx_vivado(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("XILINX_VIVADO", str(REPLAY.parent))
    assert not wrong(bench)


def test_a_tool_is_asked_once_a_process_and_again_when_it_is_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for _ in range(3):
        require(bench.toolchain.check("pynq-z2"), "here")
        assert bench.toolchain.synthesizer.identity()["versions"] == {"vivado_hls": "2019.2"}
        assert bench.toolchain.implementer.identity()["versions"] == {"vivado": "2019.2"}
    assert len(bench.events("start")) == 2
    other = tmp_path / "vivado"
    other.write_text(f'#!/bin/sh\nexec {REPLAY}/vivado "$@"\n')
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    bench.toolchain.implementer.identity()
    os.utime(other, (1, 1))
    bench.toolchain.implementer.identity()
    assert [event["tool"] for event in bench.events("start")[2:]] == ["vivado", "vivado"]


def test_a_tool_that_did_not_start_is_asked_again(bench: Bench) -> None:
    bench.fail("libtinfo", times=2)
    assert wrong(bench)
    assert not wrong(bench)


def test_a_directory_that_vivado_cannot_build_in_is_found_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_HOME", str(tmp_path / "my builds"))
    (wrong,) = [each for each in bench.toolchain.check("pynq-z2") if not each.ok]
    assert "plain names only" in wrong.detail
    assert "OVERLAYFLOW_HOME" in wrong.remedy


def test_one_error_names_all_that_is_missing(bench: Bench) -> None:
    bench.fail(y2k22_patch=False, board_parts=[])
    with pytest.raises(ToolMissingError) as raised:
        bench.synthesize()
    assert "y2k22 patch: missing" in raised.value.what
    assert "board files: tul.com.tw:pynq-z2:part0:1.0 is not installed" in raised.value.what
    assert not bench.runs("vivado_hls")


@pytest.mark.parametrize("kind", ["kv260", "alveo-u50"])
def test_a_board_that_nothing_is_built_for_is_refused(bench: Bench, kind: str) -> None:
    with pytest.raises(InputError, match=f"makes no overlay for {kind}"):
        bench.toolchain.check(kind)


def test_the_jobs_fit_the_cores_and_the_memory() -> None:
    kinds = board_kinds()
    assert jobs(kinds["pynq-z2"], MACHINE) == 4
    assert jobs(kinds["zcu102"], MACHINE) == 3
    assert jobs(kinds["pynq-z2"], replace(MACHINE, memory_gib=1.0)) == 1
    assert jobs(kinds["pynq-z2"], replace(MACHINE, cores=64, memory_gib=512)) == 8


def test_this_machine_is_measured(tmp_path: Path) -> None:
    machine = Machine.this(tmp_path / "not" / "there")
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.memory_gib > 0.1
    assert machine.disk_gib > 0


def test_the_compiler_of_the_c_simulation_is_asked_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(REPLAY))
    (lacking,) = [each for each in bench.toolchain.check("pynq-z2") if not each.ok]
    assert (lacking.name, lacking.remedy) == ("g++", "apt install g++")
