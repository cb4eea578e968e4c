"""The short text at the end of a pipeline run: what each stage did, the figures, where the bundle lies."""

from pathlib import Path

from stages.shared.pipeline import Stage, read_stages
from stages.shared.workspace import read_state, receipt_path

SHOWN = 4  # figures that fit a line


def stage_states(session: str, stages: list[Stage]) -> dict[str, tuple[str, str]]:
    """State and message of each stage of a pipeline run: Completed, Cached, Failed or Skipped, from its receipts."""
    states: dict[str, tuple[str, str]] = {}
    for stage in stages:
        receipt = read_state(receipt_path(session, stage.name))
        broken = sorted(name for name in stage.ancestors if states[name][0] == "Failed")
        if receipt:
            state = ("Completed" if receipt.get("state") == "ran" else "Failed", receipt.get("message", "killed"))
        elif broken:
            state = ("Skipped", f"after {', '.join(broken)}")
        else:
            file = stage.out / "summary.txt"
            state = ("Cached", file.read_text(encoding="utf-8").strip() if file.is_file() else "")
        states[stage.name] = state
    return states


def exit_code(session: str, stages: list[Stage]) -> int:
    """The exit code of the first stage that failed, 0 when none did."""
    codes = (read_state(receipt_path(session, stage.name)).get("exit_code", 0) for stage in stages)
    return next((code for code in codes if code), 0)


def _figures(stages: list[Stage]) -> list[str]:
    metrics = {stage.name: read_state(stage.out / "metrics.json") for stage in stages}
    evaluated, distilled, quantized = (metrics.get(name, {}) for name in ("evaluate", "distill", "quantize"))
    names = [
        name.removeprefix("test.") for name in evaluated if name.startswith("test.") and f"{name}_low" in evaluated
    ]
    headline = [name for name in names if not name.startswith("f1.")][:SHOWN]
    rows = [("float model", evaluated, "test"), ("its student", distilled, "test"), ("int8 model", quantized, "test")]
    rows += [("baseline", evaluated, "baseline")]
    head = f"{'test split':<18}" + "".join(f"{name:>20}" for name in headline)
    lines = [
        f"{label:<18}" + "".join(f"{figures[f'{part}.{name}']:>20.4f}" for name in headline)
        for label, figures, part in rows
        if all(f"{part}.{name}" in figures for name in headline)
    ]
    return [head, *lines] if headline else []


def _example(bundle: Path) -> str:
    """A command that asks the bundle something."""
    inputs = read_state(bundle / "settings.json").get("inputs", [])
    texts = ["'It came a day late.'"] if len(inputs) == 1 else [f"'the {name}'" for name in inputs]
    return f"python -m serving.predict --bundle {bundle} {' '.join(texts)}"


def pipeline_summary(session: str) -> str:
    """The whole text for a pipeline run."""
    stages = read_stages()
    states = stage_states(session, stages)
    lines = [f"{name:<10} {state:<10} {message}" for name, (state, message) in states.items()]
    if all(state == "Cached" for state, _ in states.values()):
        lines.append("\nNothing has changed: nothing was run.")
    bad = [name for name, (state, _) in states.items() if state in ("Failed", "Skipped")]
    if not bad:
        lines += ["", *_figures(stages), "", f"bundle     {stages[-1].out / 'bundle'}"]
        lines += [f"try it     {_example(stages[-1].out / 'bundle')}"]
    lines += ["look at it make ui    (MLflow and Prefect on this machine)"]
    return "\n".join(lines)
