"""The building steps as plain functions: what each result is made of, and how it is made.

A recipe is everything that a store entry depends on. The Prefect tasks beside this module wrap
these functions; a script or a notebook calls them directly.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.conversion import modelfile
from tasks.conversion.child import ConvertRequest, tool_versions
from tasks.conversion.convert import check_settings, run_conversion
from tasks.core.records.base import Entry, StepName
from tasks.core.records.design import Gate, HlsProject, Implementation, Synthesis
from tasks.core.records.package import Package
from tasks.core.records.settings import ConvertSettings
from tasks.packaging import archive, manifest
from tasks.store.store import Store, digest
from tasks.toolchains.base import Toolchain

# A step's own version: raise it when the step makes something else of the same inputs.
CONVERT = IMPLEMENT = 2
SYNTHESIZE = PACKAGE = 1


@dataclass(frozen=True)
class Recipe:
    """What an entry is made of."""

    step: StepName
    version: int
    inputs: dict[str, Any]

    @property
    def entry(self) -> Entry:
        """Its place in the store."""
        return Entry(step=self.step, digest=digest(self.step, self.version, self.inputs))


def convert_recipe(model: Path, data: Path, settings: ConvertSettings) -> Recipe:
    """Model, data, settings and the converters' versions.

    Raises:
        InputError: a file or setting that no conversion can use.
    """
    check_settings(settings)
    return Recipe(
        "convert",
        CONVERT,
        {
            "model": modelfile.check(model),
            "model_name": model.name,
            "data": archive.file_digest(data),
            "settings": settings.model_dump(mode="json"),
            "versions": tool_versions(),
        },
    )


def convert(store: Store, model: Path, data: Path, settings: ConvertSettings) -> HlsProject:
    """The hls4ml project of a model, and its golden outputs."""
    recipe = convert_recipe(model, data, settings)

    def build(out: Path) -> HlsProject:
        return run_conversion(
            ConvertRequest(
                model=model.absolute(),
                model_digest=recipe.inputs["model"],
                data=data.absolute(),
                settings=settings,
                entry=recipe.entry,
                out=out,
            )
        )

    return store.get_or_build(recipe.entry, recipe.inputs, HlsProject, build, label=model.name)


def synthesize_recipe(project: HlsProject, toolchain: Toolchain) -> Recipe:
    """Project and toolchain."""
    return Recipe(
        "synthesize",
        SYNTHESIZE,
        {
            "project": project.entry.digest,
            "toolchain": toolchain.name,
            "build": toolchain.build.model_dump(mode="json"),
            "versions": toolchain.versions(),
        },
    )


def synthesize(store: Store, toolchain: Toolchain, project: HlsProject) -> Synthesis:
    """RTL or IP of a project."""
    recipe = synthesize_recipe(project, toolchain)
    label = project.model_name

    def build(out: Path) -> Synthesis:
        return toolchain.synthesize(project, store.files(project.entry), recipe.entry, out)

    return store.get_or_build(recipe.entry, recipe.inputs, Synthesis, build, label=label)


def implement_recipe(synthesis: Synthesis, toolchain: Toolchain) -> Recipe:
    """Synthesis and toolchain."""
    return Recipe(
        "implement",
        IMPLEMENT,
        {
            "synthesis": synthesis.entry.digest,
            "toolchain": toolchain.name,
            "versions": toolchain.versions(),
        },
    )


def implement(store: Store, toolchain: Toolchain, synthesis: Synthesis) -> Implementation:
    """A design that can be loaded."""
    recipe = implement_recipe(synthesis, toolchain)
    label = synthesis.project.model_name

    def build(out: Path) -> Implementation:
        return toolchain.implement(synthesis, store.files(synthesis.entry), recipe.entry, out)

    return store.get_or_build(recipe.entry, recipe.inputs, Implementation, build, label=label)


def package_recipe(implementation: Implementation, passed: tuple[Gate, ...]) -> Recipe:
    """Implementation, the gates it passed, and the programs that go to the board with it."""
    return Recipe(
        "package",
        PACKAGE,
        {
            "implementation": implementation.entry.digest,
            "gates": [gate.model_dump(mode="json") for gate in passed],
            "board_programs": archive.board_program_digests(),
        },
    )


def package(
    store: Store,
    implementation: Implementation,
    passed: tuple[Gate, ...],
    model: Path,
    flow_run_id: str | None,
) -> Package:
    """package.tar.gz with its manifest.

    Args:
        store: of all entries.
        implementation: what to package.
        passed: gates that were checked so far.
        model: the model file; the state of its git repository becomes provenance.
        flow_run_id: of the Prefect flow run that packages, if any.
    """
    recipe = package_recipe(implementation, passed)
    project = implementation.synthesis.project

    def build(out: Path) -> Package:
        files = archive.members(
            implementation, store.files(implementation.entry), store.files(project.entry)
        )
        tarball = out / archive.PACKAGE_FILE
        inside = archive.write(tarball, files, manifest.describe(implementation))
        outside = inside.model_copy(
            update={"provenance": manifest.provenance(model.parent, flow_run_id, passed)}
        )
        (out / "manifest.json").write_text(outside.model_dump_json(indent=1))
        return Package(
            entry=recipe.entry,
            manifest=outside,
            digest=archive.file_digest(tarball),
            size=tarball.stat().st_size,
        )

    return store.get_or_build(recipe.entry, recipe.inputs, Package, build, label=project.model_name)


def import_package(store: Store, path: Path) -> Package:
    """Take a package.tar.gz from elsewhere into the store; its manifest has no provenance.

    Raises:
        InputError: it is no package.
    """
    inside = archive.read_manifest(path)
    recipe = Recipe("package", PACKAGE, {"archive": archive.file_digest(path)})

    def build(out: Path) -> Package:
        shutil.copyfile(path, out / archive.PACKAGE_FILE)
        return Package(
            entry=recipe.entry,
            manifest=inside,
            digest=recipe.inputs["archive"],
            size=path.stat().st_size,
        )

    return store.get_or_build(recipe.entry, recipe.inputs, Package, build, label=inside.model_name)
