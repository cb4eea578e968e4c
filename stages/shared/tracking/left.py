"""What is left in MLflow, or on its way there, of processes that are gone."""

import socket
from pathlib import Path

from stages.shared.tracking.journal import REFUSED, SPOOL, Journal, left_behind
from stages.shared.tracking.runs import orphans_of
from stages.shared.tracking.sending import Sending
from stages.shared.tracking.store import SQLITE, StoreAway, open_store, store_uri
from stages.shared.workspace import state_folder


def waiting() -> list[Journal]:
    """Records that the store has not got yet."""
    return left_behind()


def send(journal: Journal) -> None:
    """Send one of them. Raises StoreAway when the store cannot be reached."""
    Sending(journal).close()


def refused() -> list[Path]:
    """Records that the store will never take."""
    return sorted(state_folder(SPOOL).glob(f"*{REFUSED}"))


def is_there() -> bool:
    """Whether there is a store at all; to open one makes it."""
    uri = store_uri()
    return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).is_file()


def orphans() -> list[tuple[str, str]]:
    """Id and name of the runs of this host that say RUNNING though their process is gone; none of a store away."""
    if not is_there():
        return []
    try:
        with open_store() as (client, experiment):
            found = orphans_of(client, experiment, socket.gethostname())
            return [(run.info.run_id, str(run.info.run_name)) for run in found]
    except StoreAway:
        return []


def close(run_id: str) -> None:
    """End a run as KILLED."""
    with open_store() as (client, _):
        client.set_terminated(run_id, "KILLED")
