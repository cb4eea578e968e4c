"""A stage that runs by itself, recorded as a Prefect flow run, when a Prefect API is configured."""

import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from stages.shared.session import SESSION, process_key
from stages.shared.workspace import write_receipt

Result = tuple[int, str]
PROCESS = "flow.json"  # among the receipts of a flow run


def api_may_be_configured() -> bool:
    """Whether a Prefect API could be configured, told without the second that importing Prefect takes."""
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    return (
        bool(os.environ.get("PREFECT_PROFILE")) or (home / "profiles.toml").is_file() or Path("prefect.toml").is_file()
    )


def api_url() -> str | None:
    """The address of the configured Prefect API, None when none is."""
    if not api_may_be_configured():
        return None
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def api_answers(url: str) -> bool:
    """Whether the Prefect API at the address is up."""
    import httpx

    try:
        return httpx.get(f"{url.rstrip('/')}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def fault_of_server(url: str | None, error: Exception) -> str | None:
    """What is wrong with the Prefect server, given an error that a flow ended with; None where it is not the server's.

    Args:
        url: of the configured API; None where Prefect runs a server of its own.
        error: that was raised.
    """
    import httpx

    if url is not None and not api_answers(url):
        return f"the Prefect server at {url} is gone"
    if not isinstance(error, httpx.HTTPError):  # else its database may be locked
        return None
    name = "Prefect's own server" if url is None else f"the Prefect server at {url}"
    return f"{name} fails: {type(error).__name__}: {' '.join(str(error).split())}"


def _without_traceback(record: logging.LogRecord) -> bool:
    import httpx

    if record.exc_info and isinstance(record.exc_info[1], httpx.TransportError):
        record.exc_info, record.exc_text = None, None
    return True


def lost_connections_in_one_line() -> None:
    """Have Prefect say in one line, without a traceback, that its server does not answer."""
    for name in ("prefect.flow_runs", "prefect.engine"):
        logging.getLogger(name).addFilter(_without_traceback)


def note_process(flow_run: str) -> None:
    """Leave a note which process of which host a flow run is."""
    write_receipt(
        flow_run, Path(PROCESS).stem, {"host": socket.gethostname(), "process": process_key(psutil.Process())}
    )


def as_flow_run(name: str, action: Callable[[], Result]) -> Result:
    """Run the action, as a flow run of the stage's name when that is wanted and possible.

    Under the pipeline flow (TEMPER_SESSION is set) the flow run is the pipeline's. No server is ever started here.
    """
    url = None if SESSION in os.environ else api_url()
    if url is None:
        return action()
    if not api_answers(url):
        print(f"{name}: the Prefect API at {url} does not answer: the stage runs unrecorded there.", file=sys.stderr)
        return action()
    return _in_flow(name, action)


def _in_flow(name: str, action: Callable[[], Result]) -> Result:
    from prefect import flow
    from prefect.client.schemas.objects import State
    from prefect.runtime import flow_run
    from prefect.states import Cancelled, Completed, Failed

    from flows.stopping import stop_on_signals

    results: list[Result] = []

    def stage() -> State[None]:
        stop_on_signals()  # Prefect put its own handler in place
        note_process(str(flow_run.get_id()))
        results.append(action())
        code, message = results[0]
        if code > 128:
            return Cancelled(message=message)
        return Failed(message=message) if code else Completed(message=message)

    flow(name=name)(stage)(return_state=True)
    return results[0]
