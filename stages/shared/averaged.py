"""Several models that answer as one: what they say is averaged as probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from stages.shared.model_files import read_settings
from stages.shared.publish import write_json

MEMBERS = "members.json"
Kind = Literal["softmax", "sigmoid"]


class Averaged(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers' own class hook has no types
    """Models of one shape. Its logits are those of the mean of their probabilities.

    Source: Lakshminarayanan et al. 2017, Deep ensembles, arXiv:1612.01474
    """

    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = _supports_attention_backend = True  # they decide

    def __init__(self, members: Sequence[PreTrainedModel], kind: Kind) -> None:
        super().__init__(members[0].config)
        self.members, self.kind = nn.ModuleList(members), kind

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """The logarithm of the mean probability, (batch, ..., outputs); for "sigmoid" its log odds."""
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        given["pixel_values"] = pixel_values
        inputs = {name: value for name, value in given.items() if value is not None}
        said = torch.stack([member(**inputs).logits for member in self.members])
        return SequenceClassifierOutput(logits=joined_logits(said, self.kind))

    def save_members(self, folder: Path, write: Callable[[Any, Path], None]) -> None:
        """Write each member into a folder of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        self.config.save_pretrained(folder)
        for number, member in enumerate(self.members, start=1):
            write(member, folder / f"member_{number}")
        write_json(folder / MEMBERS, {"members": len(self.members), "kind": self.kind})


def joined_logits(said: torch.Tensor, kind: Kind) -> torch.Tensor:
    """The logits of the mean probability of (members, ..., outputs)."""
    if kind == "softmax":
        return said.log_softmax(dim=-1).exp().mean(dim=0).clamp(min=1e-38).log()
    mean = said.sigmoid().mean(dim=0).clamp(1e-7, 1 - 1e-7)
    return mean.log() - (1 - mean).log()


def read_averaged(folder: Path, load: Callable[[Path], PreTrainedModel]) -> Averaged:
    """What `Averaged.save_members` wrote."""
    description = read_settings(folder / MEMBERS)
    members = [load(folder / f"member_{number}") for number in range(1, description["members"] + 1)]
    return Averaged(members, description["kind"])
