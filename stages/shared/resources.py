"""What a piece of work took of the machine."""

import resource
import sys


def peak_memory() -> int:
    """The most memory, in bytes, that this process has held at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
