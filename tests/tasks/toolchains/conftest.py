"""Designs around a stand-in core, each built once for all workers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tasks.toolchains.open.image import build_fabric_image
from tasks.toolchains.shell.shell import Design, write_design
from tests.once import once, shared_directory
from tests.tasks.toolchains.standin import Case, Fabric, stream, write_core

# Between them: every container on either side, samples of one word and of many, padding, cores
# without registers and with more than a sample's clocks, rates set by either stream.
CASES = {
    case.name: case
    for case in (
        Case(
            "floats",
            stream(16, 8, 4, "float32", rounding="RND", saturation="SAT"),
            stream(3, 12, 8, "float32"),
            latency=4,
        ),
        Case("bytes", stream(16, 6, 2, "packed"), stream(3, 10, 4, "packed"), latency=9),
        Case("halves", stream(2, 16, 8, "packed"), stream(5, 30, 9, "packed"), latency=7),
        Case("words", stream(1, 20, 8, "packed"), stream(5, 7, 1, "packed"), latency=0),
        Case(
            "doubles",
            stream(3, 40, 20, "packed"),
            stream(2, 33, 30, "packed", signed=False),
            latency=1,
        ),
    )
}


def build_design(case: Case, directory: Path) -> Design:
    return write_design(
        [write_core(case, directory)],
        project_name=case.name,
        input=case.input,
        output=case.output,
        latency_cycles=case.latency,
        directory=directory,
    )


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Fabric images of the cases, by name."""

    @cache
    def build(name: str) -> Path:
        directory = shared_directory(tmp_path_factory) / f"image-{name}"

        def make() -> str:
            design = build_design(CASES[name], directory)
            return str(build_fabric_image(design, directory / "out.so", logs=directory))

        return Path(in_use.enter_context(once(directory, make)))

    with ExitStack() as in_use:
        yield build


@pytest.fixture
def fabric(image: Callable[[str], Path]) -> Iterator[Callable[[str], Fabric]]:
    """Designs, just reset."""
    opened: list[Fabric] = []

    def load(name: str) -> Fabric:
        opened.append(Fabric(image(name)))
        return opened[-1]

    yield load
    for design in opened:
        design.close()
