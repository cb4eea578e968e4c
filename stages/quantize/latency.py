"""How long one example takes, from its texts to the model's output."""

import time
from collections.abc import Mapping, Sequence

import numpy as np

from serving.runtime import Runtime
from stages.shared.outcome import Metrics

WARM_UP = 5  # texts that are not timed: the first runs allocate memory


def latencies(runtimes: Mapping[str, Runtime], examples: Sequence[tuple[str, ...]]) -> Metrics:
    """Median and 95th percentile in milliseconds of each model, one text at a time on one core.

    The models take turns at each text, so that what else the machine does meets all alike.
    """
    taken: dict[str, list[float]] = {name: [] for name in runtimes}
    for number, texts in enumerate([*examples[:WARM_UP], *examples]):
        for name, runtime in runtimes.items():
            started = time.perf_counter()
            reading, _ = runtime.read(texts)
            for window in reading.windows:
                runtime.run(window)
            if number >= min(WARM_UP, len(examples)):
                taken[name].append(1000 * (time.perf_counter() - started))
    return {
        f"{name}_latency_{percentile}_ms": float(np.percentile(values, percentile))
        for name, values in taken.items()
        for percentile in (50, 95)
    }
