"""A masked language model that is asked at the hidden tokens alone: of the others no word is computed."""

from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel


class Said(NamedTuple):
    """Logits of the words at the places, (places, words), and of the pairs following on each other, (batch, 2)."""

    words: torch.Tensor
    pairs: torch.Tensor | None


class AtPlaces(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers' own class hook has no types
    """A model of Transformers whose last layers see the places alone; they look at each token by itself.

    The vocabulary is wide: to name a word at every token costs a small model as much again as reading them.
    """

    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model.config)
        self.model = model
        self._places: torch.Tensor | None = None
        model.base_model.register_forward_hook(self._select)

    def _select(self, module: Any, given: Any, output: Any) -> Any:
        if self._places is not None:
            hidden = output.last_hidden_state
            output.last_hidden_state = hidden.flatten(0, 1)[self._places].unsqueeze(0)
        return output

    def forward(self, places: torch.Tensor, **inputs: torch.Tensor) -> SimpleNamespace:
        """What it says, as `logits`; places are positions in the flattened batch, (places,)."""
        self._places = places
        try:
            output = self.model(**inputs)
        finally:
            self._places = None
        words = output["prediction_logits"] if "prediction_logits" in output else output["logits"]
        return SimpleNamespace(logits=Said(words[0], output.get("seq_relationship_logits")))
