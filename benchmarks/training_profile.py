"""Where the time of a training step goes, on texts as long as SST's, by what it is spent on.

python -m benchmarks.training_profile [--batches 12] [--threads 1]
"""

import argparse
from collections import Counter
from collections.abc import Sequence

import torch
from torch.profiler import ProfilerActivity, profile

import flows  # noqa: F401  telemetry off
from benchmarks.texts import SST
from benchmarks.training import CPU, ROOT, Job, same_values
from stages.shared.fitting.precision import chosen_precision
from stages.shared.params import load_params

KINDS: dict[str, Sequence[str]] = {  # by what the names of torch's operators begin with
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm", "mkldnn"),
    "copies, most between precisions": ("aten::copy_", "aten::_to_copy", "aten::to", "aten::contiguous", "aten::clone"),
    "AdamW": ("aten::_fused_adamw_", "Optimizer"),
    "clipping: the norm of the gradient": ("aten::linalg_vector_norm", "aten::_foreach_norm"),
    "dropout: drawing": ("aten::random_", "aten::clamp_", "aten::sub_", "aten::bernoulli_"),
    "softmax": ("aten::_softmax", "aten::softmax"),
    "GELU": ("aten::gelu",),
    "layer norm": ("aten::native_layer_norm", "aten::layer_norm"),
    "sums and products of elements": ("aten::add", "aten::mul", "aten::sum", "aten::div"),  # dropout's, too
    "masks of attention": ("aten::masked_fill", "aten::bitwise_not", "aten::where"),
    "embeddings": ("aten::embedding", "aten::index", "aten::index_select"),
    "new memory, zeros": ("aten::empty", "aten::fill_", "aten::zero_", "aten::zeros"),
}


def kind_of(operator: str) -> str:
    """What an operator's time is spent on."""
    for kind, names in KINDS.items():
        if any(operator.startswith(name) for name in names):
            return kind
    return "the rest, Python's part among it"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=12, help="updates that are looked at")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; with one no time is lost in waiting")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    params = same_values(load_params(ROOT / "params.yaml"))
    job = Job(params, SST, asked.batches)
    job.ours()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        job.ours()
    total = Counter[str]()
    for event in seen.key_averages():
        total[kind_of(event.key)] += event.self_cpu_time_total
    precision = chosen_precision(params.train.precision, CPU)
    print(f"| a training step, {precision}, {asked.threads} thread(s) | share |\n|---|---:|")
    for kind, spent in total.most_common():
        print(f"| {kind} | {spent / total.total():.1%} |")


if __name__ == "__main__":
    main()
