"""Make a package of a finished hls4ml and Vivado build directory, whoever built it."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from board.kinds import board_kinds
from tasks.core.digests import file_digest
from tasks.core.errors import InputError, UnsupportedModelError
from tasks.core.records.base import Record
from tasks.core.records.design import FixedPoint, Stream, Utilisation
from tasks.core.records.package import Manifest
from tasks.hardware.bitfile import read_bit, target
from tasks.hardware.hwh_read import Handoff, read_hwh
from tasks.hardware.part import parse_part
from tasks.packaging import archive
from tasks.packaging.testdata import GoldenData, check_design
from tasks.toolchains.vivado import reports
from tasks.toolchains.vivado.products import Products

CONFIG = "hls4ml_config.yml"
DRIVER = "axi_stream_driver.py"
_FORMAT = re.compile(r"(?:ap_)?(?P<u>u?)(?P<kind>fixed|int)<\s*(?P<arguments>[^>]*)>")


class BuildDirectory(Record):
    """A finished VivadoAccelerator build.

    Attributes:
        bit: the bitstream.
        handoff_file: the .hwh next to it.
        driver: hls4ml's axi_stream_driver.py.
        handoff: content of the .hwh.
        input_element: fixed-point format of the design's input inside the fabric.
        output_element: fixed-point format of its output.
        sizes: elements of its input and output; None where its C++ is not there.
    """

    directory: Path
    project_name: str
    board_kind: str
    part: str
    model_name: str
    bit: Path
    handoff_file: Path
    driver: Path
    handoff: Handoff
    input_element: FixedPoint
    output_element: FixedPoint
    sizes: tuple[int, int] | None = None


def read(directory: Path) -> BuildDirectory:
    """Find the files that a package needs, and check that they match.

    Raises:
        InputError: it is not a build directory, a file is missing, or the files do not match.
        UnsupportedModelError: the board or the stream format is not supported.
    """
    config = _config(directory / CONFIG)
    name, part = str(config["ProjectName"]), str(config["Part"])
    kind = str(config.get("AcceleratorConfig", {}).get("Board", ""))
    _check(config, kind, part, directory)
    products = Products.of_hls4ml(directory, name, part)
    ready = directory / "package"  # the directory that hls4ml's documentation makes
    bit = _first(directory, "bitstream", (products.bit, ready / "hls4ml_nn.bit"))
    handoff_file = _first(directory, ".hwh", (products.handoff, ready / "hls4ml_nn.hwh"))
    driver = _first(directory, DRIVER, (directory / DRIVER, ready / DRIVER))
    handoff = read_hwh(handoff_file)
    _same_part(part, read_bit(bit).part, handoff, bit)
    elements = _elements(directory, config)
    return BuildDirectory(
        directory=directory,
        project_name=name,
        board_kind=kind,
        part=part,
        model_name=f"{name} ({directory.resolve().name})",
        bit=bit,
        handoff_file=handoff_file,
        driver=driver,
        handoff=handoff,
        input_element=elements["input_t"],
        output_element=elements["result_t"],
        sizes=_sizes(directory / "firmware" / f"{name}_axi.h"),
    )


def package(build: BuildDirectory, data: GoldenData, out: Path, scratch: Path) -> Manifest:
    """Write package.tar.gz, and return its manifest.

    Args:
        build: the result of `read`.
        data: test samples and golden outputs.
        out: the archive to write.
        scratch: an empty directory.
    """
    check_design(data, build.sizes, build.output_element, build.directory)
    files = archive.design_members(build.bit, build.handoff_file, build.driver)
    files |= data.write(scratch)
    manifest = Manifest(
        project_name=build.project_name,
        target=target(build.bit),
        board_kind=build.board_kind,
        part=build.part,
        clock_mhz=build.handoff.clock_mhz,
        input=Stream(shape=data.x.shape[1:], element=build.input_element),
        output=Stream(shape=data.golden.shape[1:], element=build.output_element),
        utilisation=_utilisation(build),
        model_name=build.model_name,
        # There may be no model file, so the bitstream identifies the design.
        model_digest=file_digest(build.bit),
        samples=len(data.x),
        meaning=data.meaning,
        accuracy_csim=data.accuracy_csim,
        rmse_csim=data.rmse_csim,
        versions={"vivado": build.handoff.vivado},
    )
    return archive.write(out, files, manifest)


class _ConfigLoader(yaml.SafeLoader):
    """Loader that reads hls4ml's own tags, such as `!keras_model 'path'`, as their plain value."""


_ConfigLoader.add_multi_constructor("!", lambda loader, _tag, node: loader.construct_scalar(node))


def _config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _ConfigLoader)  # noqa: S506  a safe one
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"not an hls4ml build directory: {why}",
            where=str(path),
            remedy="give the OutputDir of a project of hls4ml's backend VivadoAccelerator",
        ) from None
    missing = {"ProjectName", "Part", "Backend"} - set(config if isinstance(config, dict) else ())
    if missing:
        raise InputError(f"{', '.join(sorted(missing))} missing", where=str(path))
    return cast("dict[str, Any]", config)


def _check(config: dict[str, Any], kind: str, part: str, directory: Path) -> None:
    if config["Backend"] != "VivadoAccelerator":
        raise UnsupportedModelError(
            f"converted for backend {config['Backend']}, which does not make board designs",
            where=str(directory),
            remedy="convert it with backend VivadoAccelerator",
        )
    known = board_kinds().get(kind)
    if known is None or known.part != part:
        raise UnsupportedModelError(
            f"built for board {kind!r} with {part}, which is not a board kind",
            where=str(directory),
            remedy="see docs/add-a-board.md",
        )
    words = config["AcceleratorConfig"].get("Precision", {})
    other = {name: text for name, text in words.items() if text != "float"}
    if other:
        raise UnsupportedModelError(
            f"the streams are {other}, not float",
            where=str(directory),
            remedy="convert it with input_type and output_type float, hls4ml's default",
        )


def _first(directory: Path, what: str, candidates: Sequence[Path]) -> Path:
    for path in candidates:
        if path.exists():
            return path
    raise InputError(
        f"no {what} found; looked for "
        + " and ".join(str(path.relative_to(directory)) for path in candidates),
        where=str(directory),
        remedy="complete the build: hls_model.build(csim=False, export=True, bitfile=True)",
    )


def _same_part(part: str, bit_part: str, handoff: Handoff, bit: Path) -> None:
    wanted = parse_part(part)
    if bit_part != wanted.in_bit or (handoff.device, handoff.package) != (
        wanted.device,
        wanted.package,
    ):
        raise InputError(
            f"the parts differ: hls4ml's {part}, the bitstream's {bit_part}, "
            f"the .hwh's {handoff.device}{handoff.package}",
            where=str(bit),
            remedy="these files come from different builds; build again",
        )
    if not handoff.has_dma:
        raise UnsupportedModelError(
            "the design has no AXI DMA, so the driver cannot reach it",
            where=str(bit),
            remedy="convert it with interface axi_stream",
        )


def _elements(directory: Path, config: dict[str, Any]) -> dict[str, FixedPoint]:
    """Return the formats of the top function's ports from its C++, or the model's default."""
    default = str(config.get("HLSConfig", {}).get("Model", {}).get("Precision", "fixed<16,6>"))
    texts = {"input_t": default, "result_t": default}
    defines = directory / "firmware" / "defines.h"
    if defines.exists():
        text = defines.read_text(encoding="utf-8")
        for name in texts:
            if found := re.search(rf"typedef\s+([^;]*?)\s+{name};", text):
                texts[name] = found[1]
    return {name: _fixed_point(text, directory) for name, text in texts.items()}


def _sizes(header: Path) -> tuple[int, int] | None:
    """Return the elements of input and output that the accelerator's C++ counts, if it is there."""
    if not header.exists():
        return None
    text = header.read_text(encoding="utf-8", errors="replace")
    found = [re.search(rf"\b{name}\s*=\s*(\d+)", text) for name in ("N_IN", "N_OUT")]
    if not all(found):
        return None
    inputs, outputs = (int(each[1]) for each in found if each)
    return inputs, outputs


def _fixed_point(text: str, where: Path) -> FixedPoint:
    found = _FORMAT.search(text)
    arguments = (
        [part.strip().removeprefix("AP_") for part in found["arguments"].split(",")]
        if found
        else []
    )
    whole = found is not None and found["kind"] == "int"
    try:
        width = int(arguments[0])
        integer = width if whole else int(arguments[1])
        modes = dict(zip(("rounding", "saturation"), arguments[2:4], strict=False))
        return FixedPoint.model_validate(
            {
                "width": width,
                "integer": integer,
                "signed": not (found and found["u"]),
                **({"rounding": "TRN_ZERO"} if whole else modes),
            }
        )
    except (IndexError, ValueError) as error:  # a ValidationError is one
        raise UnsupportedModelError(
            f"{text!r} is not a fixed-point format with numbers for its bits",
            where=str(where),
            remedy="write them out, like ap_fixed<16,6>",
        ) from error


def _utilisation(build: BuildDirectory) -> Utilisation | None:
    runs = Products.of_hls4ml(build.directory, build.project_name, build.part).runs
    report = runs / "impl_1" / "design_1_wrapper_utilization_placed.rpt"
    if not report.exists():
        return None
    return reports.read_utilisation(report)
