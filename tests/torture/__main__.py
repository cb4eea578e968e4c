"""Run the parts and print the scoreboard; the exit code is 1 when a fault did harm.

python -m tests.torture [part ...]
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

from tests.torture import PARTS
from tests.torture.scoreboard import Line, scoreboard


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, choices=[[], *PARTS], help=f"of {', '.join(PARTS)}; all")
    lines: list[Line] = []
    for name in parser.parse_args().parts:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="temper-torture-") as folder:
            for line in importlib.import_module(f"tests.torture.{name}").run(Path(folder)):
                lines.append(line)
                print(f"{name}: {line.fault}: {line.held} of {line.injected}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    print(scoreboard(lines))
    return 0 if all(line.is_held for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
