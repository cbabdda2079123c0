"""What a machine must have for a run is known before the run starts."""

from pathlib import Path

import pytest

from tasks.core.requirements import may_run
from tasks.toolchains.choice import choose


@pytest.mark.slow
def test_a_file_system_that_runs_no_programs_is_named(noexec: Path) -> None:
    found = may_run(noexec.parent, noexec / "not" / "there")
    assert not found.ok
    assert f"the file system of {noexec} is mounted noexec" in found.detail
    assert "OVERLAYFLOW_HOME" in found.remedy


@pytest.mark.slow
def test_a_store_that_runs_no_programs_is_found_before_a_run(
    noexec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERLAYFLOW_STORE", str(noexec / "store"))
    failed = [found for found in choose("open").check() if not found.ok]
    assert [found.name for found in failed] == ["executables"]
    assert str(noexec) in failed[0].detail


def test_a_directory_that_is_yet_to_be_made_may_run_programs(tmp_path: Path) -> None:
    assert may_run(tmp_path / "a" / "b").ok
