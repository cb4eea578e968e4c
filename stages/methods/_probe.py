"""The top of a model, fitted alone to what the frozen rest gives: computed once, kept on disk, and solved for.

With a linear top the loss is convex, so that the answer depends on no learning rate and no order of the rows: L-BFGS
finds the one that there is.
Source: Liu and Nocedal 1989, On the limited memory BFGS method, https://doi.org/10.1007/BF01589116; Alain and Bengio
2016, Understanding intermediate layers using linear classifier probes, arXiv:1610.01644
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel

from stages.shared.batches import sorted_batches
from stages.shared.headed import Headed
from stages.shared.kept import Kept, Store
from stages.shared.layers import stacks_of
from stages.shared.predict import inputs_of, to_device
from stages.shared.progress import Progress

if TYPE_CHECKING:
    from stages.shared.fitting import Data
    from stages.tasks import Batch

log = logging.getLogger(__name__)
BATCH_SIZE = 64  # items of a forward pass of the frozen rest
ITERATIONS, TOLERANCE = 200, 1e-7  # of L-BFGS, at most; and the change of loss and gradient at which it ends
LINEAR = {"vectors": "vectors", "last": "score"}  # the linear map of a head of ours


def top_of(model: PreTrainedModel) -> nn.Module:
    """What is fitted: the last linear map, or the whole of a head that has more."""
    if isinstance(model, Headed):
        part = LINEAR.get(model.description["head"])
        head: nn.Module = model.head
        return head if part is None else head.get_submodule(part)
    return model.get_submodule("classifier")


class Given:
    """What a top is given for each batch of the training items, kept on disk."""

    def __init__(self, model: PreTrainedModel, data: Data) -> None:
        self._store = Store()
        self._arguments: list[tuple[torch.dtype, ...]] = []
        self.batches: list[Batch] = []
        seen: list[tuple[torch.Tensor, ...]] = []
        hook = top_of(model).register_forward_pre_hook(lambda _top, given: seen.append(given))
        was_training = model.training
        model.train(False)
        try:
            with torch.no_grad(), Progress("embed", len(data.train)) as progress:
                for positions in sorted_batches(data.lengths, BATCH_SIZE):
                    batch = to_device(data.task.batch([data.train[i] for i in positions], data.padding), model.device)
                    model(**inputs_of(batch, model))
                    self._add(batch, seen.pop())
                    progress.advance(len(positions))
        finally:
            hook.remove()
            model.train(was_training)

    def _add(self, batch: Batch, arguments: Sequence[torch.Tensor]) -> None:
        number = len(self.batches)
        for place, argument in enumerate(arguments):
            self._store.add(f"{number}.{place}".encode(), argument.float().cpu().numpy())
        self._arguments.append(tuple(argument.dtype for argument in arguments))
        self.batches.append({name: value for name, value in batch.items() if name in ("expected", "attention_mask")})

    def __iter__(self) -> Iterator[tuple[list[torch.Tensor], Batch]]:
        for number, (batch, types) in enumerate(zip(self.batches, self._arguments, strict=True)):
            arrays = [self._store.get(f"{number}.{place}".encode()).copy() for place in range(len(types))]
            device = batch["expected"].device
            yield [torch.from_numpy(a).to(device, kind) for a, kind in zip(arrays, types, strict=True)], batch

    def close(self) -> None:
        """Give the space back."""
        self._store.close()


@contextmanager
def given_to_top(model: PreTrainedModel, data: Data) -> Iterator[Given]:
    """What the top of the model is given for the training items, as long as this context is open."""
    given = Given(model, data)
    try:
        yield given
    finally:
        given.close()


def fit_top(model: PreTrainedModel, data: Data, given: Given, penalty: float) -> None:
    """Fit the top to the training items: the mean loss plus penalty / (2 x items) times its squared weights.

    Args:
        penalty: as 1 / C of scikit-learn's logistic regression; biases are free.
    """
    top, task, weights = top_of(model), data.task, data.weights
    weights = None if weights is None else weights.to(model.device)
    total = torch.stack([task.loss_weight(batch, weights) for batch in given.batches]).sum()
    fitted = list(top.parameters())
    for weight in fitted:
        weight.requires_grad_(True)
    squared = [weight for weight in fitted if weight.ndim > 1]
    solver = torch.optim.LBFGS(
        fitted,
        max_iter=ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Any:
        solver.zero_grad()
        loss = penalty / (2 * len(data.train)) * torch.stack([weight.square().sum() for weight in squared]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        for arguments, batch in given:
            part = task.loss_sum(top(*arguments), batch, weights) / total
            part.backward()  # type: ignore[no-untyped-call]
            loss = loss + part.detach()
        return loss.detach()

    top.train(False)
    solver.step(closure)  # type: ignore[no-untyped-call]
    top.requires_grad_(False)


def _still_parts(model: PreTrainedModel) -> list[nn.Module]:
    """The parts below the top that hold weights, so that validation, too, is embedded once."""
    if isinstance(model, Headed) and model.description["head"] == "vectors":
        return [model.body, model.head.get_submodule("pooled")]
    stacks = stacks_of(model)
    return list(stacks[0]) if len(stacks) == 1 else []


def fit_best_top(model: PreTrainedModel, data: Data, penalties: Sequence[float], batch_size: int) -> float:
    """Fit the top with each penalty, the strongest first, and keep the one that is best on validation; give it.

    Of equals the lower loss wins, then the stronger penalty.
    """
    best: tuple[tuple[float, float], float, dict[str, torch.Tensor]] | None = None
    top = top_of(model)
    with Kept(model, _still_parts(model)), given_to_top(model, data) as given:
        for penalty in sorted(penalties, reverse=True):
            fit_top(model, data, given, penalty)
            loss, metrics, _ = data.measured(model, None, batch_size)
            merit = (metrics[data.task.primary], -loss)
            log.info("penalty %g: validation loss %.4f, %s %.4f", penalty, loss, data.task.primary, merit[0])
            if best is None or merit > best[0]:
                best = (merit, penalty, {name: value.clone() for name, value in top.state_dict().items()})
    assert best is not None  # there is at least one penalty
    top.load_state_dict(best[2])
    return best[1]
