"""Whether texts are cut, where nobody could know before there was a tokenizer."""

from collections.abc import Sequence

from tokenizers import Tokenizer

from stages.shared.errors import Refused
from stages.shared.examples import Example
from stages.tasks import Task


def _is_long(shown: Sequence[tuple[str, ...]], limits: Sequence[int], tokenizer: Tokenizer) -> bool:
    """Whether a text or pair has more tokens than the model reads at once; the last limit is of all that follow."""
    counts = [len(tokenizer.encode(texts[0], texts[1] if len(texts) > 1 else None).ids) for texts in shown]
    return any(count > limits[min(place, len(limits) - 1)] for place, count in enumerate(counts))


def refuse_cut(rows: Sequence[Example], task: Task, tokenizer: Tokenizer, max_share: float) -> None:
    """Raise Refused when more than a fraction of the user's own rows lose something of their texts.

    Args:
        rows: of training and validation; copies are not counted.
        task: what the model reads of them.
        tokenizer: that neither pads nor cuts.
        max_share: validate.max_cut_share.
    """
    own = [row for row in rows if not row["made_by"]]
    cut = sum(_is_long(task.shown(row), task.limits, tokenizer) for row in own)
    if cut > max_share * len(own):
        raise Refused(
            f"train: {cut:,} of {len(own):,} texts are longer than task.max_tokens and would be cut, at most "
            f"{max_share * 100:.3g} % may be (validate.max_cut_share). The tokenizer is new, so validate could not "
            f"know. Raise task.max_tokens or pretrain.from_scratch.tokenizer.vocabulary, set task.long_texts to "
            f"windows, or raise validate.max_cut_share."
        )
