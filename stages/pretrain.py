"""Fetch, check and pin the base model.

out   base.json    which base, at which revision, with the SHA-256 of its weights; never a copy of them
"""

from pathlib import Path

from stages.shared.base_model import WEIGHTS, find_base, write_pointer
from stages.shared.outcome import Outcome
from stages.shared.params import Params


def pretrain(out: Path, params: Params) -> Outcome:
    """Pin the base model that params.yaml names.

    Raises:
        MachineError, ParamsError, DataError: as `find_base`.
    """
    base = find_base(params.pretrain)
    write_pointer(out, base)
    checked = "as pinned" if params.pretrain.sha256 else "recorded"
    return Outcome(
        summary=f"{base.reference}: SHA-256 {base.sha256[:12]}..., {checked}",
        metrics={"megabytes": round((base.folder / WEIGHTS).stat().st_size / 1e6, 1)},
        tags={"base": base.reference, "base_sha256": base.sha256},
    )
