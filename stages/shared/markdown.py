"""Tables of a report."""

from collections.abc import Iterable, Sequence


def cell(value: object) -> str:
    """A value as the text of a table's cell: fractions to four places, and nothing that would break the table."""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table whose first column is words and whose others are figures, with a last newline."""
    lines = [
        [cell(name) for name in header],
        ["---", *("---:" for _ in header[1:])],
        *([cell(value) for value in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
