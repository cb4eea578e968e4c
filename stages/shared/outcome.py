"""What a stage gives back beside the files that it wrote."""

from dataclasses import dataclass, field

Metrics = dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """The result of a stage.

    Attributes:
        summary: one line for the user: what was done, with its main figures. The same for the same inputs.
        metrics: figures that are the same for the same inputs; they become `metrics.json`, and MLflow metrics.
        timings: seconds, bytes of memory and the like, which differ from run to run; to MLflow, never to an output.
        tags: facts that belong to the run, such as the hash of the base model.
        children: figures, with times, of what was measured beside the stage's own work, by name; to MLflow, as runs.
        pages: files that a person looks at and that hold times, by name; to MLflow and `.temper/pages`.
    """

    summary: str
    metrics: Metrics
    timings: Metrics = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    children: dict[str, Metrics] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
