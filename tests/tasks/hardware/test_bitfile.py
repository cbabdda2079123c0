"""The .bit container is one that pynq's own parser takes, and damage to it is found."""

import json
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import InputError, UnsupportedModelError
from tasks.hardware.bitfile import IMAGE_MAGIC, fabric_image, read_bit, write_bit
from tasks.hardware.part import parse_part

SYNC_WORD = bytes.fromhex("AA995566")


@given(data=st.binary(max_size=300))
def test_what_is_written_is_read(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.bit"
    write_bit(path, data, design="digits_axi", part="xc7z020clg400-1")
    bit = read_bit(path)
    assert (bit.data, bit.part) == (data, "7z020clg400")
    assert bit.design.split(";")[0] == "digits_axi"


def test_an_image_is_whole_words_and_no_configuration() -> None:
    image = fabric_image(b"\x7fELF!")
    assert image.startswith(IMAGE_MAGIC + struct.pack("<II", 1, 0) + b"\x7fELF!")
    assert len(image) % 4 == 0
    assert SYNC_WORD not in image


def test_pynq_takes_header_and_data(tmp_path: Path, board_python: Path) -> None:
    data = fabric_image(bytes(range(256)) * 3 + b"x")
    path = write_bit(tmp_path / "d.bit", data, design="d_axi", part="xc7z020clg400-1")
    script = (
        "import json, sys; from pynq.pl_server.embedded_device import bit2bin, parse_bit_header\n"
        "content = open(sys.argv[1], 'rb').read(); header = parse_bit_header(content)\n"
        "header['data'] = header['data'].hex(); header['bin'] = len(bit2bin(content))\n"
        "print(json.dumps(header))"
    )
    answer = subprocess.run(
        [board_python, "-c", script, path], check=True, capture_output=True, text=True
    ).stdout
    header = json.loads(answer.splitlines()[-1])
    assert header["design"] == "d_axi"
    assert header["part"] == "7z020clg400"
    assert bytes.fromhex(header["data"]) == data
    assert header["bin"] == len(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:0],
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content + b"more",
        lambda content: b"PK" + content,
        lambda content: content.replace(b"a\x00", b"q\x00", 1),
        lambda content: content.replace(b"7z020", b"\xff\xff020"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: object) -> None:
    assert callable(damage)
    path = write_bit(tmp_path / "d.bit", b"data", design="d_axi", part="xc7z020clg400-1")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"not a \.bit file"):
        read_bit(path)


@pytest.mark.parametrize(
    ("part", "device", "package", "speed", "in_bit"),
    [
        ("xc7z020clg400-1", "7z020", "clg400", "-1", "7z020clg400"),
        ("xc7a100tcsg324-1", "7a100t", "csg324", "-1", "7a100tcsg324"),
        ("xczu9eg-ffvb1156-2-e", "xczu9eg", "ffvb1156", "-2", "xczu9eg-ffvb1156-2-e"),
        ("xck26-sfvc784-2LV-c", "xck26", "sfvc784", "-2LV", "xck26-sfvc784-2LV-c"),
    ],
)
def test_part_names_are_taken_apart(
    part: str, device: str, package: str, speed: str, in_bit: str
) -> None:
    name = parse_part(part)
    assert (name.device, name.package, name.speed_grade, name.in_bit) == (
        *(device, package, speed, in_bit),
    )


def test_what_is_no_part_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="'pynq-z2' is not a part"):
        parse_part("pynq-z2")
