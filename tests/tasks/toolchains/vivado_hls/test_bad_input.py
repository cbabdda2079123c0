"""Projects and places that nothing can be built of or in: one message, before any tool starts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from board.kinds import board_kinds
from tasks.core.errors import InputError
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings
from tasks.toolchains.vivado_hls.project import check
from tests.tasks.toolchains.vivado_hls.conftest import NAME, Bench, Converted


def other(project: HlsProject, **settings: object) -> HlsProject:
    changed = ConvertSettings.model_validate(project.settings.model_dump() | settings)
    return project.model_copy(update={"settings": changed})


BAD: dict[str, tuple[Callable[[HlsProject], HlsProject], str]] = {
    "an HGQ2 model": (
        lambda project: project.model_copy(update={"backend": "Vivado"}),
        "use toolchain open",
    ),
    "another board's part": (
        lambda project: project.model_copy(update={"part": "xc7z010clg400-1"}),
        "convert again",
    ),
    "another hls4ml": (
        lambda project: project.model_copy(update={"versions": {"hls4ml": "0.8.1"}}),
        "convert again",
    ),
    "another name": (lambda project: other(project, project_name="else"), "convert again"),
    "a core of another toolchain": (lambda project: other(project, core="folded"), "reuse_factor"),
    "a board without design": (lambda project: other(project, board_kind="kv260"), "pynq-z2"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_project_that_cannot_be_built_is_refused(bench: Bench, name: str) -> None:
    change, remedy = BAD[name]
    bench.project = change(bench.project)
    with pytest.raises(InputError) as raised:
        bench.synthesize()
    assert remedy in raised.value.remedy
    assert not bench.runs("vivado_hls")


@pytest.mark.parametrize("missing", ["design.tcl", f"firmware/{NAME}_axi.cpp", "firmware/weights"])
def test_a_project_that_is_half_finished_is_refused(
    converted: Converted, tmp_path: Path, missing: str
) -> None:
    half = shutil.copytree(converted.files / "project", tmp_path / "project")
    path = half / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError, match=f"half finished: {missing} missing"):
        check(converted.project, half, board_kinds()["pynq-z2"], tmp_path / "work")


def test_a_script_for_another_part_is_refused(converted: Converted, tmp_path: Path) -> None:
    copy = shutil.copytree(converted.files / "project", tmp_path / "project")
    script = copy / "project.tcl"
    script.write_text(script.read_text().replace("xc7z020clg400-1", "xczu9eg-ffvb1156-2-e"))
    with pytest.raises(InputError, match=r"project\.tcl does not name part xc7z020clg400-1"):
        check(converted.project, copy, board_kinds()["pynq-z2"], tmp_path / "work")


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("a place", "plain names only"),
        ("file/below", "cannot be written: not a directory"),
        ("d" * 200 + "/" + "/".join(["e" * 200] * 18), "too long"),
    ],
)
def test_a_place_where_nothing_can_be_built_is_refused(
    converted: Converted, tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=reason) as raised:
        check(
            converted.project,
            converted.files / "project",
            board_kinds()["pynq-z2"],
            tmp_path / place,
        )
    assert "OVERLAYFLOW_HOME" in raised.value.remedy


def test_reports_of_an_earlier_run_do_not_pass_for_new_ones(
    bench: Bench, converted: Converted, tmp_path: Path
) -> None:
    """A tool that ends without a word beside the artefacts of a good run: hls4ml's classic."""
    from tasks.toolchains.vivado_hls import synthesis
    from tests.replay import texts

    solution = tmp_path / "project" / f"{NAME}_prj" / "solution1"
    shutil.copytree(converted.files / "project", tmp_path / "project")
    texts.write(solution / "syn" / "report" / f"{NAME}_csynth.xml", "stale")
    synthesis.fill(tmp_path, bench.home / "copy")
    assert not list((bench.home / "copy").rglob("*csynth.xml"))
