"""Find what is wrong in this folder, one line each with what to do; with --fix mend it.

python -m flows.doctor [--fix]

Locks of processes that are gone, half-written files, records and runs that nobody ends, damaged cache and outputs,
what the parameters need and the machine lacks. What a living process holds is not touched.
The exit code is 0 when nothing was found or all of it was mended, else 1.
"""

import argparse
import sys

from flows.doctoring import Finding, Look, damage, leftovers, locks, needs, records
from stages.shared.errors import TemperError

LOOKS: tuple[Look, ...] = (
    locks.look,
    leftovers.look,
    damage.look_at_cache,
    damage.look_at_outputs,  # after the cache, from which they are mended
    records.look_at_mlflow,
    records.look_at_prefect,
    needs.look,
)


def _mended(finding: Finding) -> bool:
    """Mend it, and say so, or say why not."""
    if finding.mend is None:
        return False
    try:
        finding.mend()
    except (OSError, TemperError) as error:
        print(f"not mended: {finding.what}: {error}")
        return False
    print(f"mended: {finding.what}")
    return True


def main() -> int:
    """The command line; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.doctor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fix", action="store_true", help="mend what can be mended")
    fix = parser.parse_args().fix
    left = found = 0
    for look in LOOKS:
        for finding in look():
            found += 1
            if fix and _mended(finding):
                continue
            left += 1
            can = "" if fix or finding.mend is None else " Or let --fix do it."
            print(f"found: {finding.what}. {finding.remedy}{can}".replace("..", "."))
    if not found:
        print("Nothing is wrong here.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
