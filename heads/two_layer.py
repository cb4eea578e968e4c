"""A head with a hidden layer: the first token and the mean of all, together, through two layers."""

import torch
from torch import nn


class TwoLayerHead(nn.Module):
    """Logits of a whole text."""

    def __init__(self, hidden_size: int, outputs: int) -> None:
        """Be made for a body of this width and so many outputs; this is how every head is made."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * hidden_size, hidden_size), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden_size, outputs)
        )

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (batch, outputs), given the body's (batch, tokens, hidden) and the mask (batch, tokens)."""
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        logits: torch.Tensor = self.layers(torch.cat([hidden[:, 0], mean], dim=-1))
        return logits
