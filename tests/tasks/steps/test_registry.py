"""Which packages of the store are measured again, and on which boards."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.boards.address import BoardAddress
from tasks.core.records.base import Entry
from tasks.core.records.measurement import Run
from tasks.core.records.package import Package
from tasks.steps import registry
from tasks.store.store import Store, digest
from tests.tasks import samples


def keep(store: Store, number: int) -> Package:
    inputs = {"number": number}
    entry = Entry(step="package", digest=digest("package", inputs))
    found = samples.measurement().deployment.package
    package = found.model_copy(update={"entry": entry, "digest": f"{number:064x}"})

    def build(files: Path) -> Package:
        (files / "package.tar.gz").touch()
        return package

    return store.get_or_build(entry, inputs, Package, build)


@pytest.fixture
def few_files() -> Iterator[None]:
    """No more open files than this process has, and twenty."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def accepted(package: Package, board: str) -> Run:
    deployment = samples.measurement().deployment.model_copy(
        update={"package": package, "board": board}
    )
    measurement = samples.measurement().model_copy(update={"deployment": deployment})
    verdict = samples.verdict().model_copy(update={"measurement": measurement})
    return Run(
        flow_run_id="1" * 8,
        flow_run_name=board,
        finished="2026-01-01T00:00:00+00:00",
        verdict=verdict,
    )


def test_only_what_was_accepted_is_measured_again_where_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    packages = [keep(store, number) for number in range(3)]
    boards = [
        BoardAddress(name=name, kind="pynq-z2", host="127.0.0.1", target="twin")
        for name in ("twin", "other")
    ]
    runs = [accepted(packages[1], "twin"), accepted(packages[2], "gone")]
    assert list(registry.pairs(store, boards, (), runs)) == [(packages[1], "twin")]
    assert not list(registry.pairs(store, boards, ("another",), runs))


@pytest.mark.usefixtures("few_files")
def test_a_registry_of_many_packages_needs_few_open_files(tmp_path: Path) -> None:
    for number in range(50):
        keep(Store(tmp_path), number)
    assert len(list(registry.packages(Store(tmp_path)))) == 50
