"""Parameters of the flows: models whose fields become the forms of the Prefect UI."""

from typing import Literal

from tasks.gates import GateSettings
from tasks.records import BuildSettings, ConvertSettings, MeasureSettings

__all__ = ["BuildSettings", "ConvertSettings", "GateSettings", "MeasureSettings", "Toolchain"]

Toolchain = Literal["auto", "open", "vivado"]
