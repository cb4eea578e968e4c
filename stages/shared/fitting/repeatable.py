"""The same bits again for the same seed and threads."""

import os
import random

import numpy as np
import torch


def make_repeatable(seed: int, threads: int) -> None:
    """Seed every source of chance, fix the number of threads, and let torch use only what gives the same bits again."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costly, and for bugs alone
