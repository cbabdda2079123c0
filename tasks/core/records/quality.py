"""Records of what outputs mean, and how close they come to the framework's."""

import math
from typing import Literal

from pydantic import Field

from tasks.core.records.base import Record


class Meaning(Record):
    """What a model's outputs say, and so how they are judged.

    Attributes:
        kind: classes: the largest output along the last axis is the class, of a sample or of a
            pixel; decisions: each output says yes or no; values: numbers.
        threshold: from which value an output says yes; decisions only.
        soft: whether probabilities of the classes are expected, not one class.
    """

    kind: Literal["classes", "decisions", "values"] = "classes"
    threshold: float | None = None
    soft: bool = False


class Fidelity(Record):
    """How close the C simulation's outputs come to the framework's, on the test samples.

    Attributes:
        agreement: share of equal decisions; None for values.
        worst_class: the class in which they agree least, among those with 5 decisions or more.
        worst_class_agreement: share of its decisions that are equal.
        rmse: root mean square of the differences.
        worst_output_error: largest RMSE of one output, as a share of that output's spread.
        max_error: largest difference.
        spread: root mean square of the standard deviations of the framework's outputs.
        constant: whether all samples give the same outputs, though the framework's differ.
    """

    agreement: float | None = Field(default=None, ge=0, le=1)
    worst_class: int | None = None
    worst_class_agreement: float | None = Field(default=None, ge=0, le=1)
    rmse: float = Field(ge=0)
    worst_output_error: float = Field(ge=0)
    max_error: float = Field(ge=0)
    spread: float = Field(gt=0)
    constant: bool


class Segment(Record):
    """An input or output of a model of several: a part of the elements in the stream.

    Attributes:
        name: of its layer; empty for the only one.
        shape: of one sample, without the batch axis.
    """

    name: str = Field(default="", max_length=255, pattern=r"^\w*$")
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements in one sample."""
        return math.prod(self.shape)


class Quality(Record):
    """What outputs mean, and how good they are in the framework and in the C simulation.

    Attributes:
        meaning: what they say, and so how they are judged.
        accuracy_framework: share of correct decisions on the test samples; None for values, or if
            unknown.
        accuracy_csim: the same for the C simulation.
        accuracy_by_chance: what the framework's decisions may reach if y_test has nothing to do
            with X_test; None for values, for several decisions a sample, and for few samples.
        rmse_framework: root mean square error against y_test; None where only decisions count.
        rmse_csim: the same for the C simulation.
        fidelity: how close the C simulation comes to the framework; None if unknown.
    """

    meaning: Meaning = Meaning()
    accuracy_framework: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    accuracy_csim: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    accuracy_by_chance: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    rmse_framework: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    rmse_csim: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    fidelity: Fidelity | None = None


class OutputQuality(Quality, Segment):
    """The quality of one output."""


class Overflow(Record):
    """A layer whose values leave its format and wrap around.

    Attributes:
        layer: its name.
        variable: what wraps: result, or accum, the sum of an average.
        share: of its values on the test samples, in the framework.
        low: the smallest of these values.
        high: the largest of these values.
        element: the format, with what it holds.
    """

    layer: str
    variable: str
    share: float = Field(ge=0, le=1)
    low: float
    high: float
    element: str
