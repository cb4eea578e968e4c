"""The table of benchmarks/README.md, made of benchmarks/results/*.json.

python -m benchmarks.table
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.comparing import RESULTS

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results begin -->", "<!-- results end -->"


def _order(line: dict[str, Any]) -> tuple[int, int, str]:
    kinds = "TIADP"
    return kinds.index(line["bar"][0]), int("".join(filter(str.isdigit, line["bar"]))), line["bar"]


def table_of(results: list[dict[str, Any]]) -> list[str]:
    """The lines of the table, in the order of the bars, then the machines that the figures are of."""
    rows = [(line, result) for result in results for line in result["comparisons"]]
    lines = [
        "| | what | ours | peer | unit | ratio | bar | |",
        "|---|---|---:|---:|---|---:|---:|---|",
    ]
    for line, result in sorted(rows, key=lambda row: _order(row[0])):
        sign = "≥" if line["better"] == "more" else "≤"
        verdict = "met" if line["met"] else "**missed**"
        note = f"; {line['note']}" if line["note"] else ""
        lines.append(
            f"| {line['bar']} | {line['what']} (`{result['name']}`) | {line['ours']:,.4g} | {line['against']:,.4g} "
            f"{line['peer']} | {line['unit']} | {line['ratio']:.3g} | {sign} {line['wanted']:g} | {verdict}{note} |"
        )
    machines = {(one["machine"]["processor"], one["machine"]["cores"]): one for one in results}
    for (processor, cores), one in machines.items():
        packages = ", ".join(f"{name} {found}" for name, found in one["machine"]["packages"].items())
        lines += ["", f"On {cores} cores of {processor}, {one['machine']['memory_gibibytes']} GiB; {packages}."]
    return lines


def main() -> None:
    """Put the table into benchmarks/README.md, and print it."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    lines = table_of(results)
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    README.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
