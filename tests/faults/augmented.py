"""A copy in train that was made of a row of another split: it cannot come about, and one that is put there is found."""

from contextlib import chdir
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from flows.perform import perform
from stages.shared.errors import TemperError
from stages.shared.params import SPLITS, Params
from stages.shared.publish import write_manifest
from tests.faults.cases import params_of
from tests.faults.row_faults import good_case


def put_into_train(folder: Path, row: dict[str, str]) -> None:
    """Add a row to the training split of what a stage wrote, as its stage would have."""
    file = folder / "train.parquet"
    table = pq.read_table(file)
    more = pa.Table.from_pylist([row], schema=table.schema)
    pq.write_table(pa.concat_tables([table, more]), file)
    write_manifest(folder)


def _refusal(stage: str, folder: Path, out: Path, params: Params) -> str:
    try:
        perform(stage, [folder, out], params)
    except TemperError as error:
        return str(error)
    return ""


def complaint_of_augmentation(folder: Path, base: Path, draw: Random) -> str | None:
    """Augment good rows, then rows among which a child of the test or validation split is; what is wrong, or None."""
    case = good_case(folder, draw)
    params = params_of(case, base, "csv")
    data = folder / "data"
    with chdir(folder):
        perform("ingest", [case.path, data / "ingest"], params)
        perform("validate", [data / "ingest", data / "validate"], params)
        perform("augment", [data / "validate", data / "augment"], params)
        rows = {split: pq.read_table(data / f"validate/{split}.parquet").to_pylist() for split in SPLITS}
        parents = {row["parent"] for row in pq.read_table(data / "augment/train.parquet").to_pylist()} - {""}
        if not parents or not parents <= {row["id"] for row in rows["train"]}:
            return f"parents are {sorted(parents)[:3]}"
        held = draw.choice([*rows["validation"], *rows["test"]])
        put_into_train(data / "ingest", {**held, "id": "child", "parent": held["id"], "text": f"Well: {held['text']}"})
        if "are made from another row" not in _refusal("validate", data / "ingest", data / "validate", params):
            return "validate took a child of another split"
        put_into_train(data / "validate", draw.choice(rows["validation"]))
        if "in the training and in the validation split" not in _refusal(
            "augment", data / "validate", data / "augment", params
        ):
            return "augment took a row of the validation split for one of train"
    return None
