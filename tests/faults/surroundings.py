"""All stages run in other surroundings: locale, time zone, hash seed, working folder, times of files."""

import os
import subprocess
import sys
from pathlib import Path

from stages.shared.pipeline import read_stages

_ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
OTHER = (
    {**_ASCII, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "12345", "HOME": "/nonexistent", "COLUMNS": "40"},
    {"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "0", "COLUMNS": "200", "TERM": "dumb"},
)
ALL_STAGES = """
import flows
from flows.perform import performed
from stages.shared.params import PARAMS_FILE, load_params
from stages.shared.pipeline import read_stages
for stage in read_stages():
    performed(stage.name, list(stage.given), load_params(PARAMS_FILE))
"""


def manifests_in(root: Path, environment: dict[str, str] | None = None) -> dict[str, bytes]:
    """What the manifest of each stage of a project says, after all have run in an environment, if one is given."""
    if environment is not None:
        for path in root.rglob("*"):
            if path.is_file() and ".git" not in path.parts:
                os.utime(path, (1e9, 1e9))
        words = [sys.executable, "-c", ALL_STAGES]
        done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return {stage.name: (root / stage.out / "MANIFEST.json").read_bytes() for stage in read_stages()}
