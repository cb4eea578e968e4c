"""The pipeline from outside: the only folder that imports prefect.

Telemetry is switched off here, before any library that has some is imported.
"""

import os

_QUIET = {
    "DO_NOT_TRACK": "true",  # MLflow ignores "1"
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # it would report on each table that it makes
    "PREFECT_CLIENT_MAX_RETRIES": "3",  # each waits twice as long: a server that is gone is told in time
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "TOKENIZERS_PARALLELISM": "false",  # a forked tokenizer pool warns, and dead-locks when it is forked in use
    "TQDM_MININTERVAL": "0.5",
}
for _name, _value in _QUIET.items():
    os.environ.setdefault(_name, _value)
