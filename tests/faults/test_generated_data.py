"""Made-up files, well-formed, damaged and neither: a clear error or every row accounted for, in bounded memory."""

import json
import os
import subprocess
import sys

from tests.conftest import ROOT

FILES = 300


def test_made_up_files_are_read_or_refused_and_nothing_else() -> None:
    command = [sys.executable, "-m", "tests.faults.bounded", str(FILES)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    fates = json.loads(done.stdout)
    assert fates["files"] >= FILES
    assert min(fates["read"], fates["some rows set aside"], fates["refused"], fates["through the stage"]) > 5, fates
