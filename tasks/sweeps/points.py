"""The points of a sweep: each has all its settings, a name made of what differs, and a digest."""

import hashlib
import itertools
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from tasks.conversion.convert import check_layers, check_settings
from tasks.conversion.modelfile import identify
from tasks.conversion.names import named
from tasks.core.errors import InputError, near
from tasks.core.records.base import Entry, FrameworkChoice, Record
from tasks.core.records.design import HlsProject
from tasks.core.records.settings import ConvertSettings, MeasureSettings
from tasks.packaging import archive
from tasks.quality.gates import GateSettings
from tasks.steps import building
from tasks.steps.building import Recipe
from tasks.store.code import code_digest
from tasks.store.store import digest as entry_digest
from tasks.sweeps.estimate import may_fit
from tasks.sweeps.file import BY_LAYER, CONVERSION, SweepFile, Value
from tasks.toolchains.choice import choose

# Increase this when the result of the same settings changes its meaning.
POINT = 1

Settings = dict[str, Value]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_NOT_YET = "0" * 64


class Point(Record):
    """A point with everything needed to run it.

    Attributes:
        name: the settings in which it differs from other points, as text.
        varied: the settings in which it differs.
        model: model file on the machine that builds.
        data: data file on the machine that builds.
        model_digest: SHA-256 of the model file.
        data_digest: SHA-256 of the data file.
        digest: hex SHA-256 of everything that the point's result depends on.
        build: digest of everything that its design depends on; equal for points that share all
            builds.
        convert: its convert entry; equal for points that share the conversion.
    """

    name: str
    varied: dict[str, Value]
    model: Path
    data: Path
    board: str = "twin"
    toolchain: str
    conversion: ConvertSettings
    limits: GateSettings
    measurement: MeasureSettings
    model_digest: Digest
    data_digest: Digest
    digest: Digest
    build: Digest
    convert: Entry


def count(file: SweepFile) -> int:
    """Return the number of points without generating them."""
    spec = file.spec
    grid = math.prod(map(len, spec.axes.values())) if spec.axes else len(spec.points)
    if spec.optuna:
        return min(spec.optuna.trials, grid)
    return min(spec.random.n, grid) if spec.random else grid


def expand(file: SweepFile) -> list[Point]:
    """Return all points of a grid, a random choice or a list, in the order of the file.

    Raises:
        InputError: a setting is invalid, or two points are identical.
    """
    names = _varying(file)
    points = [point(file, varied, names) for varied in _choices(file)]
    seen: dict[str, str] = {}
    for each in points:
        if each.digest in seen:
            raise InputError(
                f"the points {seen[each.digest]!r} and {each.name!r} are identical",
                where=file.where("points" if file.spec.points else "axes"),
                remedy="remove one of them",
            )
        seen[each.digest] = each.name
    return points


def first(file: SweepFile) -> Point:
    """Return the first point of a sweep; of a search by Optuna, one that it may pick."""
    return point(file, next(_choices(file)))


def _choices(file: SweepFile) -> Iterator[Settings]:
    spec = file.spec
    if spec.points:
        yield from spec.points
        return
    grid = itertools.product(*spec.axes.values())
    if spec.random is not None:
        size = math.prod(map(len, spec.axes.values()))
        drawn = random.Random(spec.random.seed).sample(range(size), count(file))  # noqa: S311
        yield from (dict(zip(spec.axes, _pick(spec.axes, index), strict=True)) for index in drawn)
        return
    yield from (dict(zip(spec.axes, values, strict=True)) for values in grid)


def _pick(axes: Mapping[str, list[Value]], index: int) -> Iterator[Value]:
    """Yield the values of the combination with this index, in the order of itertools.product."""
    left = math.prod(map(len, axes.values()))
    for values in axes.values():
        left //= len(values)
        yield values[index // left % len(values)]


def _varying(file: SweepFile) -> list[str]:
    """Return the settings that name a point: those whose values differ between points."""
    spec = file.spec
    if spec.axes:
        return [name for name, values in spec.axes.items() if len(values) > 1] or list(spec.axes)
    names = dict.fromkeys(name for settings in spec.points for name in settings)
    found = [
        name
        for name in names
        if len({json.dumps(settings.get(name)) for settings in spec.points}) > 1
    ]
    return found or list(names)


def point(file: SweepFile, varied: Settings, names: Iterable[str] | None = None) -> Point:
    """Return a point after checking all its settings.

    Args:
        file: the sweep.
        varied: the point's own settings, which override the base.
        names: the settings that name the point; all of `varied` by default.

    Raises:
        InputError: a setting is invalid.
    """
    settings = {**file.spec.base, **varied}
    names = [name for name in names or varied if name in varied]
    label = ", ".join(f"{_last(name)}={_short(varied[name])}" for name in names)
    model, data = (_path(file, settings, name) for name in ("model", "data"))
    conversion = _conversion(file, settings, varied, model)
    identified = identify(model, conversion.framework)  # its errors name the file, not a line
    try:
        check_settings(conversion)
        check_layers(conversion, identified)
        choice = str(settings.get("toolchain", "auto"))
        fits = may_fit(model, conversion)
        toolchain = choose(choice, model, conversion.board_kind, fits=fits).name
    except InputError as error:
        raise _placed(file, error, varied, error.where) from error
    made = Point(
        name=label,
        varied=dict(varied),
        model=model,
        data=data,
        board=str(settings.get("board", "twin")),
        toolchain=toolchain,
        conversion=conversion,
        limits=file.spec.limits,
        measurement=file.spec.measurement,
        model_digest=_NOT_YET,
        data_digest=_NOT_YET,
        digest=_NOT_YET,
        build=_NOT_YET,
        convert=Entry(step="convert", digest=_NOT_YET),
    )
    return made.model_copy(update=_digests(made))


def _path(file: SweepFile, settings: Settings, name: str) -> Path:
    if name not in settings:
        raise InputError(
            f"{name} is required",
            where=file.where("base"),
            remedy=f"add `{name}: FILE` to base, relative to the sweep file",
        )
    return (file.directory / str(settings[name])).absolute()


def _conversion(
    file: SweepFile, settings: Settings, varied: Settings, model: Path
) -> ConvertSettings:
    fields: dict[str, Any] = {name: settings[name] for name in CONVERSION if name in settings}
    for name in settings:
        head, dot, layer = name.partition(".")
        if dot and head in BY_LAYER:
            fields[head] = {**fields.get(head, {}), layer: settings[name]}
    try:
        return named(ConvertSettings.model_validate(fields), model)
    except ValidationError as error:
        first = error.errors()[0]
        location = ".".join(map(str, first["loc"]))
        choices = re.findall(r"'([^']*)'", str(first.get("ctx", {}).get("expected", "")))
        refused = InputError(
            f"{first['msg']} (got {first['input']!r}){near(str(first['input']), choices)}",
            where=location,
        )
        raise _placed(file, refused, varied, location) from error


def _placed(file: SweepFile, error: InputError, varied: Settings, name: str) -> InputError:
    """Return a setting's error with the setting's line in the sweep file."""
    head, _, layer = name.partition(".")
    location: tuple[str | int, ...]
    if name in varied or head in varied:
        key = name if name in varied else head
        value = varied[key]
        if file.spec.points:
            location = ("points", file.spec.points.index(varied), key)
        else:
            location = ("axes", key, file.spec.axes[key].index(value))
    else:
        key = name if name in file.spec.base else head
        value = file.spec.base.get(key, "")
        location = ("base", key)
    if key == head and isinstance(value, dict) and layer in value:
        location = (*location, layer)
    return InputError(error.what, where=file.where(*location), remedy=error.remedy)


def _last(name: str) -> str:
    """Return the layer of a per-layer setting, or the setting itself."""
    return name.partition(".")[2] or name


def _short(value: Value) -> str:
    if isinstance(value, dict):
        return "+".join(f"{name}:{each}" for name, each in value.items()) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return Path(text).stem if text.endswith((".keras", ".h5", ".npz")) else text


def _digests(point: Point) -> dict[str, Any]:
    changed = (_changed_ns(point.model), _changed_ns(point.data))
    basis = _convert_basis(point.model, point.data, changed, point.conversion.framework)
    settings = point.conversion.model_dump(mode="json")
    inputs = {**basis.inputs, "settings": settings}
    convert = Entry(step="convert", digest=entry_digest("convert", inputs))
    build = {
        "convert": convert.digest,
        "toolchain": _identity(point.toolchain),
    }
    whole = {
        "point": POINT,
        "build": build,
        "package": _package_code(),
        "board": point.board,
        "limits": point.limits.model_dump(mode="json"),
        "measurement": point.measurement.model_dump(mode="json"),
    }
    return {
        "model_digest": basis.inputs["model"],
        "data_digest": basis.inputs["data"],
        "digest": _digest(whole),
        "build": _digest(build),
        "convert": convert,
    }


@cache
def _identity(toolchain: str) -> dict[str, Any]:
    """Return what a toolchain's results depend on; cached, so it is not asked for each point."""
    pair = choose(toolchain)
    return {"synthesizer": pair.synthesizer.identity(), "implementer": pair.implementer.identity()}


@cache
def _package_code() -> dict[str, Any]:
    """Return the digests of what packages and measures; cached, as above."""
    return {"code": code_digest("tasks/packaging"), "programs": archive.board_program_digests()}


@cache
def _convert_basis(
    model: Path, data: Path, _changed_ns: tuple[int, int], framework: FrameworkChoice
) -> Recipe[HlsProject]:
    """Return the recipe of a conversion with default settings; cached, to read the files once."""
    return building.convert(model, data, ConvertSettings(framework=framework))


def _changed_ns(path: Path) -> int:
    """Return the time of a file's last change; 0 if it cannot be read, which its reader reports."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
