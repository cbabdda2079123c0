"""Figures with their budgets, for printing and storing."""

from pydantic import BaseModel


class Figure(BaseModel):
    """A figure and its budget.

    Attributes:
        at_least: whether the budget is a lower instead of an upper bound.
    """

    name: str
    value: float
    unit: str
    budget: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is within its budget."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        verdict = "ok  " if self.met else "OVER"
        return (
            f"{verdict} {self.name:52} {self.value:12,.2f} {bound} {self.budget:,.2f} {self.unit}"
        )


class Results(BaseModel):
    """All figures of one run of the harness."""

    schema_version: int = 1
    cores: int
    figures: list[Figure]
