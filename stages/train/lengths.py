"""Whether texts are cut, where nobody could know before there was a tokenizer."""

from collections.abc import Sequence

from serving.reading import Reader
from stages.shared.errors import Refused
from stages.shared.examples import Example
from stages.tasks import Task


def refuse_cut(rows: Sequence[Example], task: Task, reader: Reader, max_share: float) -> None:
    """Raise Refused when more than a fraction of the user's own rows lose something of their texts.

    Args:
        rows: of training and validation; copies are not counted.
        task: what the model reads of them.
        reader: how it reads them.
        max_share: validate.max_cut_share.
    """
    own = [row for row in rows if not row["made_by"]]
    shown = [task.shown(row) for row in own]
    readings = reader.read_all([texts for several in shown for texts in several])
    rows_of = [place for place, several in enumerate(shown) for _ in several]
    cut = len({place for place, reading in zip(rows_of, readings, strict=True) if reading.cut})
    if cut > max_share * len(own):
        raise Refused(
            f"train: {cut:,} of {len(own):,} texts are longer than task.max_tokens and would be cut, at most "
            f"{max_share * 100:.3g} % may be (validate.max_cut_share). The tokenizer is new, so validate could not "
            f"know. Raise task.max_tokens or pretrain.from_scratch.tokenizer.vocabulary, set task.long_texts to "
            f"windows, or raise validate.max_cut_share."
        )
