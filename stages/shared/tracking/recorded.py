"""What MLflow knows of the run that made an output."""

from stages.shared.tracking.left import is_there
from stages.shared.tracking.runs import allowed_name
from stages.shared.tracking.store import StoreAway, open_store


def tags_of_run(stage: str, hashes: dict[str, str]) -> dict[str, str]:
    """The tags of the newest finished run of a stage of whose inputs none had another MD5; none where there is none."""
    if not is_there():
        return {}
    wanted = {allowed_name(f"temper.md5.{path}"): md5 for path, md5 in hashes.items()}
    try:
        with open_store() as (client, experiment):
            query = f"attributes.status = 'FINISHED' and tags.`temper.stage` = '{stage}'"
            found = client.search_runs([experiment], query, order_by=["attributes.start_time DESC"])
    except StoreAway:
        return {}
    tags = (run.data.tags for run in found)
    return next((told for told in tags if all(told.get(name, md5) == md5 for name, md5 in wanted.items())), {})
