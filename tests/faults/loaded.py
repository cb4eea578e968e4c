"""What the process has loaded that forks for each training: everything, so that a start takes no time."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: a process with threads of its own must not be forked

import torch

import tests.faults.training  # noqa: F401

torch.set_num_threads(1)
