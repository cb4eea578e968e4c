"""The section of params.yaml that says what a search tries."""

from typing import Self

from pydantic import Field, model_validator

from stages.shared.sections import Section


class Range(Section):
    """Numbers from low to high, both included; whole ones where both are; `log`: evenly over their logarithms."""

    low: int | float
    high: int | float
    log: bool

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"{self.low} to {self.high}: low must be below high, and above 0 where log is true")
        return self


class Options(Section):
    """Some values to choose from."""

    choices: list[bool | int | float | str] = Field(min_length=2)


class Search(Section):
    """What `python -m flows.search` tries.

    Attributes:
        name: of the search, and the beginning of its experiments' names.
        trials: how many there are in the end.
        at_once: how many run at the same time.
        prune: whether a trial is ended that is worse at a validation than the median of the others.
        space: by dotted keys of params.yaml.
    """

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    trials: int = Field(gt=0)
    at_once: int = Field(gt=0)
    prune: bool
    space: dict[str, Range | Options] = Field(min_length=1)

    def extremes(self, key: str) -> list[bool | int | float | str]:
        """The values of a key at the ends of its range, or all of its choices."""
        space = self.space[key]
        return [space.low, space.high] if isinstance(space, Range) else list(space.choices)
