"""What the replay prints in each version is what real logs of these versions have."""

import re
from pathlib import Path

import pytest

from tests.replay import versions
from tests.tasks.toolchains.vivado.realdata import REALDATA
from tests.tasks.toolchains.vivado.test_blockdesign import VERSIONS

LOGS = REALDATA / "edaa-org+pyEDAA.OutputFilter" / "tests" / "data" / "Enclustra_Mercury_ZX5"
pytestmark = pytest.mark.skipif(not LOGS.exists(), reason="no outputs of real tools here")


def real(version: str) -> str:
    """The log of an implementation."""
    (path,) = (path for path in Path(LOGS).glob(f"*.{version}.vdi"))
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
def test_banners_name_the_builds_that_real_ones_name(version: str) -> None:
    begun = re.findall(r"^# (\w+) Build \d+", real(version), re.MULTILINE)
    replayed = versions.banner("Vivado", version)
    assert re.findall(r"^  \*{4} (\w+) Build 0", replayed, re.MULTILINE) == begun
    assert f"# Vivado v{version} (64-bit)" in real(version)
    assert f"****** Vivado v{version} (64-bit)" in replayed


@pytest.mark.parametrize("version", VERSIONS)
def test_runs_report_and_keep_their_files_as_real_ones_do(version: str) -> None:
    said = re.search(r"^INFO: \[[^\]]+\] Executing\b.*?: ", real(version), re.MULTILINE)
    assert said is not None
    assert versions.executing(version, "report_drc").startswith(said[0])
    generated = ".gen/sources_1/bd/" in real(version)
    assert generated == (version >= versions.GENERATED)
