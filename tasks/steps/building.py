"""The building steps as recipes, which say what each result depends on and how to make it.

A recipe names a step's inputs once. `recipe.get(store)` reads the result from the store or makes
it; `recipe.entry` is its key. The Prefect tasks wrap these functions; a script or a notebook calls
them directly:

    project = convert(model, data, settings).get(store)
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tasks.conversion import datafile
from tasks.conversion.child import ConvertRequest
from tasks.conversion.convert import check_layers, check_settings, run_conversion
from tasks.conversion.frontends import choice
from tasks.conversion.modelfile import identify
from tasks.conversion.names import named
from tasks.core.digests import digest_of, file_digest
from tasks.core.errors import InputError
from tasks.core.records.base import Entry, Record, StepName
from tasks.core.records.design import Gate, HlsProject, Implementation, Synthesis
from tasks.core.records.package import Package
from tasks.core.records.settings import ConvertSettings
from tasks.packaging import archive, manifest, trust
from tasks.store.code import code_digest
from tasks.store.store import Store, digest
from tasks.toolchains.base import Toolchain
from tasks.toolchains.cores.converter import TracedRequest

R = TypeVar("R", bound=Record)

CORE_SETTINGS = {"core": "auto", "interval_cycles": 0}
"""Conversion settings that only the synthesis reads, and what a conversion is stored with: so a
sweep over cores converts its model once."""


@dataclass(frozen=True)
class Recipe(Generic[R]):
    """A store entry before it is made.

    Attributes:
        step: the step that makes it.
        inputs: everything that its content depends on, as plain JSON.
        record: type of the result.
        make: makes the result; called with the store, the entry and an empty directory.
        label: a name for people, e.g. the model's.
        asked: puts into the record what was asked for and its content does not depend on.
    """

    step: StepName
    inputs: dict[str, Any]
    record: type[R]
    make: Callable[[Store, Entry, Path], R]
    label: str
    asked: Callable[[R], R] = lambda record: record

    @property
    def entry(self) -> Entry:
        """The entry's place in the store."""
        return Entry(step=self.step, digest=digest(self.step, self.inputs))

    def get(self, store: Store) -> R:
        """Return the result from the store; make it first if it is absent or corrupt."""
        entry = self.entry

        def build(out: Path) -> R:
            return self.make(store, entry, out)

        found = store.get_or_build(entry, self.inputs, self.record, build, label=self.label)
        return self.asked(found)


def refuse_bad_input(model: Path, data: Path | None, settings: ConvertSettings) -> None:
    """Check a model, its data and the settings within a second or so.

    Raises:
        InputError: a file or setting cannot be used.
        ToolMissingError: the model's front end is not installed.
    """
    convert(model, data, settings)
    if data is not None:
        datafile.check(data, settings.target)


def convert(
    model: Path, data: Path | None, settings: ConvertSettings, *, traced: bool = False
) -> Recipe[HlsProject]:
    """Return the recipe of a model's hls4ml project with its golden outputs.

    Args:
        model: the model file.
        data: the test data; random inputs without it.
        settings: how to convert it.
        traced: whether a traced core is built of it, so that a model of which none comes near to
            fitting is refused before the C simulation.

    Raises:
        InputError: a file or setting cannot be used.
        ToolMissingError: the model's front end is not installed.
    """
    settings = named(settings, model)
    check_settings(settings)
    file = identify(model, settings.framework)
    check_layers(settings, file)
    model_digest = file.digest()
    data_digest = digest_of(datafile.files(data)) if data else ""
    stored = settings.model_copy(update=CORE_SETTINGS)

    def make(_store: Store, entry: Entry, out: Path) -> HlsProject:
        if data is not None:
            datafile.require_room(data, out)
        request = ConvertRequest(
            model=model.absolute(),
            model_digest=model_digest,
            data=data and data.absolute(),
            data_digest=data_digest,
            settings=stored,
            entry=entry,
            out=out,
        )
        if not traced:
            return run_conversion(request, file)
        asked = TracedRequest(**dict(request), asked=settings)
        return run_conversion(asked, file, "tasks.toolchains.cores.converter")

    def asked(project: HlsProject) -> HlsProject:
        return project.model_copy(update={"settings": settings})

    inputs = {
        "model": model_digest,
        "model_name": model.name,
        "data": data_digest,
        "settings": stored.model_dump(mode="json"),
        "versions": choice.versions(file),
        "code": code_digest("tasks/conversion"),
    }
    return Recipe("convert", inputs, HlsProject, make, model.name, asked)


def synthesize(project: HlsProject, toolchain: Toolchain) -> Recipe[Synthesis]:
    """Return the recipe of a project's core.

    Toolchains that share a synthesizer share its results.
    """
    synthesizer = toolchain.synthesizer

    def make(store: Store, entry: Entry, out: Path) -> Synthesis:
        return synthesizer.synthesize(project, store.files(project.entry), entry, out)

    inputs = {
        "project": project.entry.digest,
        "core": project.settings.model_dump(include=set(CORE_SETTINGS)),
        "synthesizer": synthesizer.identity(),
    }
    return Recipe("synthesize", inputs, Synthesis, make, project.model_name)


def implement(synthesis: Synthesis, toolchain: Toolchain) -> Recipe[Implementation]:
    """Return the recipe of a design that can be loaded."""
    implementer = toolchain.implementer

    def make(store: Store, entry: Entry, out: Path) -> Implementation:
        return implementer.implement(synthesis, store.files(synthesis.entry), entry, out)

    inputs = {"synthesis": synthesis.entry.digest, "implementer": implementer.identity()}
    return Recipe("implement", inputs, Implementation, make, synthesis.project.model_name)


def package(
    implementation: Implementation,
    passed: tuple[Gate, ...],
    model: Path,
    flow_run_id: str | None = None,
) -> Recipe[Package]:
    """Return the recipe of package.tar.gz with its manifest.

    Args:
        implementation: the implementation to package.
        passed: the gates checked so far.
        model: the model file; the state of its git repository becomes provenance.
        flow_run_id: id of the Prefect flow run that packages it, if any; also provenance.
    """
    project = implementation.synthesis.project

    def make(store: Store, entry: Entry, out: Path) -> Package:
        files = archive.members(
            implementation, store.files(implementation.entry), store.files(project.entry)
        )
        tarball = out / archive.PACKAGE_FILE
        inside = archive.write(tarball, files, manifest.describe(implementation))
        outside = inside.model_copy(
            update={"provenance": manifest.provenance(model.parent, flow_run_id, passed)}
        )
        (out / "manifest.json").write_text(outside.model_dump_json(indent=1))
        digest = file_digest(tarball)
        trust.trust(digest)
        return Package(
            entry=entry,
            manifest=outside,
            digest=digest,
            size=tarball.stat().st_size,
        )

    inputs = {
        "implementation": implementation.entry.digest,
        "gates": [gate.model_dump(mode="json") for gate in passed],
        "board_programs": archive.board_program_digests(),
        "code": code_digest("tasks/packaging"),
    }
    return Recipe("package", inputs, Package, make, project.model_name)


def imported(path: Path, *, trusted: bool) -> Recipe[Package]:
    """Return the recipe of a package.tar.gz from elsewhere; its manifest has no provenance.

    Args:
        path: the package.
        trusted: whether it is to be trusted, from now on.

    Raises:
        InputError: it is not a package, or not trusted.
    """
    archive_digest, inside = trust.admit(path, trusted=trusted)

    def make(_store: Store, entry: Entry, out: Path) -> Package:
        copy = out / archive.PACKAGE_FILE
        shutil.copyfile(path, copy)
        if file_digest(copy) != archive_digest:
            raise InputError("the file has changed meanwhile", where=str(path), remedy="run again")
        return Package(
            entry=entry, manifest=inside, digest=archive_digest, size=copy.stat().st_size
        )

    return Recipe("package", {"archive": archive_digest}, Package, make, inside.model_name)
