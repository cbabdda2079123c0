"""The tables of front ends name the versions that the environments install."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("keras", "tf_keras", "hgq2", "HGQ", "QKeras", "qkeras-v3", "tensorflow-model-optimization"),
    *("onnx", "qonnx", "skl2onnx", "torch"),
)


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
@pytest.mark.parametrize("package", PACKAGES)
def test_version_of_front_end_is_the_pinned_one(package: str, page: str) -> None:
    pins = "\n".join(
        (ROOT / "constraints" / f"{part}.txt").read_text() for part in ("host", "keras2", "qkeras")
    )
    pinned = re.search(rf"^{package}==(\S+)$", pins, re.MULTILINE)
    assert pinned, f"{package} is not pinned"
    tables = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| ")]
    named = re.findall(rf"(?i)\b(?:py)?{package} (\d+\.\d+\.\d+)", "\n".join(tables))
    assert named, f"{page} names no version of {package}"
    assert set(named) == {pinned[1]}
