"""Heads of our own: what is made of the body's output. Each is called with it and with the tokens that count."""

import torch
from torch import nn


class MeanPooled(nn.Module):
    """The mean of the tokens, of length 1: what sentence encoders say of a text.

    Source: Reimers and Gurevych 2019, Sentence-BERT, arXiv:1908.10084
    """

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, hidden), given (batch, tokens, hidden) and the mask (batch, tokens)."""
        weights = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
        return mean / mean.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-12)


class LabelVectors(nn.Module):
    """How near the text's vector is to that of each label."""

    def __init__(self, hidden_size: int, labels: int, bias: bool) -> None:
        super().__init__()
        self.pooled = MeanPooled()
        self.vectors = nn.Linear(hidden_size, labels, bias=bias)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """The products of the text's unit vector with the labels' vectors, plus a bias if any, (batch, labels)."""
        near: torch.Tensor = self.vectors(self.pooled(hidden, attention_mask))
        return near


class ComparedTexts(nn.Module):
    """How two texts that were read together differ: from the means of each one's tokens.

    Of the unit vectors u and v of the two means it sees |u - v|, u * v and their cosine. A single output, a score,
    starts out as the cosine: as a probability about 0.1 at 0 and 0.9 at 1.
    Source: Conneau et al. 2017, Supervised Learning of Universal Sentence Representations, arXiv:1705.02364
    """

    def __init__(self, hidden_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.pooled = MeanPooled()
        self.dropout = nn.Dropout(dropout)
        self.between = nn.Linear(2 * hidden_size + 1, hidden_size)
        self.outputs = nn.Linear(hidden_size, outputs)
        self.nearness = nn.Linear(1, outputs, bias=False)
        nn.init.constant_(self.nearness.weight, 4.0 if outputs == 1 else 0.0)
        if outputs == 1:
            nn.init.constant_(self.outputs.bias, -2.0)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """The outputs (batch, outputs), given (batch, tokens, hidden) and the mask and types (batch, tokens)."""
        second = attention_mask * token_type_ids
        one, other = self.pooled(hidden, attention_mask - second), self.pooled(hidden, second)
        product = one * other
        cosine = product.sum(dim=1, keepdim=True)
        seen = torch.cat([(one - other).abs(), product, cosine], dim=1)
        scaled = seen * hidden.shape[-1] ** 0.5  # the parts of a unit vector are small
        learnt = self.outputs(self.dropout(self.between(self.dropout(scaled)).tanh()))
        said: torch.Tensor = learnt + self.nearness(cosine)
        return said


class AtToken(nn.Module):
    """What is said at one token of each row: the first or the last of those that are marked."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.last = last

    def forward(self, said: torch.Tensor, marked: torch.Tensor) -> torch.Tensor:
        """One row of `said` for each text, (batch, words), zeros where nothing is marked.

        Args:
            said: (batch, tokens, words).
            marked: 1 at tokens that are marked, else 0, (batch, tokens).
        """
        counted = marked.cumsum(dim=1)
        chosen = marked * (counted == (counted[:, -1:] if self.last else 1)).to(marked.dtype)
        return (said * chosen.unsqueeze(-1).to(said.dtype)).sum(dim=1)


class LastToken(nn.Module):
    """Logits at the last token of a text that counts: of a model that reads forward, the only one that saw all of it.

    One linear layer without bias, as the `score` of Transformers' decoders, which look for the last token that is not
    the padding token instead, and so miss the end of a text that ends in it.
    """

    def __init__(self, hidden_size: int, outputs: int, spread: float) -> None:
        super().__init__()
        self.last = AtToken(last=True)
        self.score = nn.Linear(hidden_size, outputs, bias=False)
        nn.init.normal_(self.score.weight, std=spread)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (batch, outputs), given (batch, tokens, hidden) and the mask (batch, tokens)."""
        logits: torch.Tensor = self.score(self.last(hidden, attention_mask))
        return logits
