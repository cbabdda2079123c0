"""Fabric images: what the twin loads and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from board.twin.emulation.overlayflow_twin.fabric import Fabric, FabricError, image_of
from tasks.hardware.bitfile import IMAGE_MAGIC, fabric_image


def test_an_image_is_taken_out_of_its_container(standin: bytes) -> None:
    assert image_of(fabric_image(standin)).startswith(standin)


@pytest.mark.parametrize("payload", [b"", bytes.fromhex("ffffffffaa995566"), b"OVERLAYFLOW"])
def test_a_bitstream_of_a_real_board_is_refused(payload: bytes) -> None:
    with pytest.raises(FabricError, match="no fabric image"):
        image_of(payload)


def test_an_image_of_another_interface_version_is_refused() -> None:
    payload = IMAGE_MAGIC + (2).to_bytes(4, "little") + bytes(4)
    with pytest.raises(FabricError, match="interface version 2"):
        image_of(payload)


def test_an_image_that_is_no_library_is_refused() -> None:
    with pytest.raises(FabricError, match="cannot be loaded"):
        Fabric(b"no library")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6])
def test_an_image_that_is_cut_short_is_refused(standin: bytes, share: float) -> None:
    with pytest.raises(FabricError, match="is truncated"):
        Fabric(standin[: int(share * len(standin))])


def test_a_library_without_the_interface_is_refused(
    tmp_path: Path, build_library: Callable[[Path], bytes]
) -> None:
    source = tmp_path / "empty.cpp"
    source.write_text("int nothing;")
    with pytest.raises(FabricError, match="cannot be loaded"):
        Fabric(build_library(source))


def test_designs_loaded_side_by_side_have_registers_of_their_own(standin: bytes) -> None:
    first, second = Fabric(standin), Fabric(standin)
    first.write(4, 11)
    second.write(4, 22)
    assert (first.read(4), second.read(4)) == (11, 22)
