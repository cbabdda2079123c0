"""What a machine must have for a run is known before the run starts."""

from pathlib import Path

import pytest

from tasks.core.requirements import may_run


@pytest.mark.slow
def test_a_file_system_that_runs_no_programs_is_named(noexec: Path) -> None:
    found = may_run(noexec.parent, noexec / "not" / "there")
    assert not found.ok
    assert f"the file system of {noexec} is mounted noexec" in found.detail
    assert "OVERLAYFLOW_HOME" in found.remedy


def test_a_directory_that_is_yet_to_be_made_may_run_programs(tmp_path: Path) -> None:
    assert may_run(tmp_path / "a" / "b").ok
