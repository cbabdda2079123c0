"""The sweep file: the settings shared by all points, and those that differ between them.

name: digits-precision
base:
  model: digits.keras            # relative to the sweep file
  data: digits.npz
axes:                            # a grid: every combination
  words: [float32, packed]
  clock_period_ns: [8, 10]
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from tasks.core.errors import InputError, near
from tasks.core.records.base import Record
from tasks.core.records.settings import ConvertSettings, MeasureSettings
from tasks.core.regular import require_regular
from tasks.quality.gates import GateSettings

# Numbers and truth values that mean the same in every version of YAML, and to people.
_PLAIN = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+|true|false")

_CUT = re.compile(r"\w+<[^>]*")  # the first part of a precision that has commas


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError(f"no setting is {str(value).lower()}; a text needs quotes")  # noqa: TRY004
    return value


Value = Annotated[str | int | float | dict[str, Any], BeforeValidator(_no_truth_value)]
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
Objective = Literal["accuracy", "latency_us", "lut", "dsp", "ff", "bram_36k", "inferences_per_s"]

# Fields of ConvertSettings with one value per layer: layer_precision.NAME is also a setting.
BY_LAYER = ("layer_precision", "layer_reuse_factor")
CONVERSION = tuple(name for name in ConvertSettings.model_fields if name != "schema_version")
SETTINGS = ("model", "data", "board", "toolchain", *CONVERSION)


class RandomSearch(Record):
    """A number of points of the grid, drawn at random without repetition.

    Attributes:
        n: number of points.
        seed: seed of the random choice; the same seed gives the same points.
    """

    n: int = Field(ge=1)
    seed: int = 0


class OptunaSearch(Record):
    """Points of the grid that Optuna picks, guided by the results of earlier points.

    Attributes:
        trials: number of points.
        seed: seed of Optuna's sampler.
        objectives: figures, each to be minimised or maximised.
    """

    trials: int = Field(ge=1)
    seed: int = 0
    objectives: dict[Objective, Literal["minimize", "maximize"]] = Field(
        default={"accuracy": "maximize", "lut": "minimize"}, min_length=1
    )


class SweepSpec(Record):
    """The content of a sweep file.

    Attributes:
        name: name of the sweep, in the UI and in file names.
        base: settings shared by all points.
        axes: values of each setting; every combination is a point, unless `random` or `optuna`
            choose among them.
        points: instead of axes, the settings of each point.
        random: choose points of the grid at random.
        optuna: let Optuna choose points of the grid.
        limits: thresholds of the gates.
        measurement: how the board measures.
        workers: number of points to run in parallel on one machine; depends on its cores and
            memory by default.
        prune_above: skip points whose estimated utilisation exceeds this share of the part.
    """

    name: str = Field(pattern=NAME)
    base: dict[str, Value] = Field(default_factory=dict)
    axes: dict[str, list[Value]] = Field(default_factory=dict)
    points: list[dict[str, Value]] = Field(default_factory=list)
    random: RandomSearch | None = None
    optuna: OptunaSearch | None = None
    limits: GateSettings = GateSettings()
    measurement: MeasureSettings = MeasureSettings()
    workers: int | None = Field(default=None, ge=1)
    prune_above: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if bool(self.axes) == bool(self.points):
            raise ValueError("give either axes or points, with at least one value")
        if self.random and self.optuna:
            raise ValueError("give random or optuna, not both")
        if self.points and (self.random or self.optuna):
            raise ValueError("random and optuna choose from axes, not from points")
        return self


def compose(
    directory: Path,
    name: str,
    model: Path | None,
    data: Path | None,
    *,
    board: str,
    axes: Mapping[str, Any],
) -> Path:
    """Write the sweep file of a sweep that was described without one, and return its path.

    Args:
        directory: of all sweeps.
        name: of the sweep; the model's own if empty.
        model: model file.
        data: data file.
        board: board of all points.
        axes: values of each setting, which are checked when the file is read.

    Raises:
        InputError: there is no model, or the name cannot be one.
    """
    if model is None:
        raise InputError(
            "model is required",
            where="sweep",
            remedy="give the path of a model file, or a sweep file",
        )
    name = name or re.sub(r"[^A-Za-z0-9_-]", "-", model.stem)
    if re.fullmatch(NAME, name) is None:
        raise InputError(
            f"{name!r} cannot be a sweep's name",
            where="name",
            remedy="use up to 63 letters, digits, hyphens and underscores",
        )
    base = {"model": str(model.absolute()), "board": board}
    if data is not None:
        base["data"] = str(data.absolute())
    made = directory / name / "sweep.yaml"
    made.parent.mkdir(parents=True, exist_ok=True)
    content = {"name": name, "base": base, "axes": dict(axes)}
    made.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return made


def to_run(sweep: Path | None, model: Path | None) -> Path:
    """Return the sweep file to run.

    Args:
        sweep: its path, if there is one.
        model: that was given beside it, which no sweep file reads.

    Raises:
        InputError: there is no file, or a model without axes.
    """
    if model is not None:  # a form comes with a sweep file, which would run instead
        raise InputError(
            f"{model} is given, but nothing to vary",
            where="axes",
            remedy='give the values of a setting, e.g. {"words": ["float32", "packed"]}, or no '
            "model to run the sweep file",
        )
    if sweep is None:
        raise InputError(
            "there is nothing to sweep",
            where="sweep",
            remedy="give a sweep file, or model, data and axes",
        )
    return sweep


class SweepFile:
    """A validated sweep file that knows the line of each of its fields.

    Raises:
        InputError: the file cannot be read, is not YAML, or has unknown or invalid fields.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        require_regular(path)
        try:
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            content = yaml.safe_load(text)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
        except UnicodeDecodeError as error:
            raise InputError(
                f"is not UTF-8: {error.reason} at byte {error.start}",
                where=str(path),
                remedy="save the sweep file as UTF-8",
            ) from None
        except yaml.YAMLError as error:
            raise InputError(
                f"not valid YAML: {error}".replace("\n", " "),
                where=str(path),
                remedy="indent by spaces, and quote precisions inside brackets: "
                "['fixed<16,6>', 'fixed<8,3>']",
            ) from None
        self._walked: set[int] = set()
        self._refuse_ambiguous(self._root, ())
        if not isinstance(content, dict):
            raise InputError(
                "not a sweep: the file is not a mapping",
                where=str(path),
                remedy=f"use these fields: {', '.join(_fields())}",
            )
        try:
            self.spec = SweepSpec.model_validate(content)
        except ValidationError as error:
            raise self._refused(error) from error
        self._check_names()

    @property
    def directory(self) -> Path:
        """The directory that paths in the file are relative to."""
        return self.path.parent

    def where(self, *location: str | int) -> str:
        """Return the file, line and field of a location in the file."""
        field = ".".join(map(str, location))
        return f"{self.path}, line {self._line(location)}" + (f", {field}" if field else "")

    def _line(self, location: Sequence[str | int]) -> int:
        node = self._root
        line = node.start_mark.line if node else 0
        for step in location:
            if isinstance(node, yaml.MappingNode):
                found = [pair for pair in node.value if pair[0].value == str(step)]
                if not found:
                    break
                line, node = found[0][0].start_mark.line, found[0][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return line + 1

    def _refused(self, error: ValidationError) -> InputError:
        first = error.errors()[0]
        location: tuple[str | int, ...] = first["loc"]
        if first["type"] == "extra_forbidden":
            fields = _fields(location[0] if len(location) > 1 else None)
            return InputError(
                f"unknown field {location[-1]!r}{near(str(location[-1]), fields)}",
                where=self.where(*location),
                remedy=f"fields here: {', '.join(fields)}",
            )
        what = first["msg"].removeprefix("Value error, ")
        return InputError(what[0].lower() + what[1:], where=self.where(*location))

    def _refuse_ambiguous(self, node: yaml.Node | None, location: tuple[str | int, ...]) -> None:
        """Refuse keys that stand twice, and what YAML 1.1 reads as another number than it looks."""
        if id(node) in self._walked:  # named by an anchor, perhaps inside itself
            return
        self._walked.add(id(node))
        if isinstance(node, yaml.CollectionNode) and node.flow_style:
            self._refuse_cut(node)
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                self._refuse_ambiguous(key, location)
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise InputError(
                        f"{key.value!r} stands twice, also in line {seen[key.value]}: only one of "
                        "the two would count",
                        where=f"{self.path}, line {line}",
                        remedy="join them, or remove one",
                    )
                if isinstance(key, yaml.ScalarNode):
                    seen[key.value] = line
                self._refuse_ambiguous(value, (*location, str(key.value)))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._refuse_ambiguous(item, (*location, number))
        elif isinstance(node, yaml.ScalarNode) and _misleads(node):
            raise InputError(
                f"YAML reads {node.value} as {yaml.safe_load(node.value)!r}",
                where=f"{self.path}, line {node.start_mark.line + 1}"
                + (f", {'.'.join(map(str, location))}" if location else ""),
                remedy=f"write a decimal number, or a text in quotes: '{node.value}'",
            )

    def _refuse_cut(self, node: yaml.CollectionNode) -> None:
        """Refuse precisions without quotes inside brackets, which YAML cuts at their commas."""
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                if (
                    isinstance(part, yaml.ScalarNode)
                    and not part.style
                    and _CUT.fullmatch(part.value)
                ):
                    raise InputError(
                        f"YAML cuts a precision at its comma: {part.value}, ...",
                        where=f"{self.path}, line {part.start_mark.line + 1}",
                        remedy="quote precisions inside brackets: {precision: 'fixed<16,6>'}, "
                        "['fixed<16,6>', 'fixed<8,3>']",
                    )

    def _check_names(self) -> None:
        spec = self.spec
        places: list[tuple[tuple[str | int, ...], Mapping[str, object]]] = [
            (("base",), spec.base),
            (("axes",), spec.axes),
            *((("points", number), point) for number, point in enumerate(spec.points)),
        ]
        for location, settings in places:
            for name in settings:
                if not is_setting(name):
                    raise InputError(
                        f"unknown setting {name!r}{near(name, SETTINGS)}",
                        where=self.where(*location, name),
                        remedy=f"settings: {', '.join(SETTINGS)}, layer_precision.LAYER, "
                        "layer_reuse_factor.LAYER",
                    )
        for name, values in spec.axes.items():
            if not values:
                raise InputError(
                    "the grid is empty: this axis has no values",
                    where=self.where("axes", name),
                    remedy="give the axis at least one value, or remove it",
                )


def _misleads(node: yaml.ScalarNode) -> bool:
    """Whether a value without quotes is a number, truth value or date by YAML 1.1's rules alone."""
    kind = node.tag.rpartition(":")[2]
    if node.style is not None or kind in {"str", "null", "merge"}:
        return False
    return _PLAIN.fullmatch(node.value) is None


def is_setting(name: str) -> bool:
    """Return whether a point has this setting; layer_precision.X is one for every layer X."""
    head, dot, layer = name.partition(".")
    return name in SETTINGS or bool(dot and layer and head in BY_LAYER)


def _fields(inside: str | int | None = None) -> list[str]:
    models: dict[object, type[BaseModel]] = {
        "random": RandomSearch,
        "optuna": OptunaSearch,
        "limits": GateSettings,
        "measurement": MeasureSettings,
    }
    fields = models.get(inside, SweepSpec).model_fields
    return [name for name in fields if name != "schema_version"]
