"""The values by which weights are fitted, as params.yaml gives them to whichever stage fits some."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stages.shared.sections import Section


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rate(value: Any) -> Any:
    if value == "find" or (_is_number(value) and 0 < value < 1):
        return value
    raise ValueError("must be a number between 0 and 1, or find")


def _warmup(value: Any) -> Any:
    if _is_number(value) and (0 <= value < 1 or (isinstance(value, int) and value >= 1)):
        return value
    raise ValueError("must be a fraction of all updates, from 0 to below 1, or a whole number of them")


class Fitting(Section):
    """How weights are fitted, by whichever stage.

    Attributes:
        learning_rate: the highest; "find" is what a short range test says.
        warmup: the updates over which the learning rate rises: a fraction of all, or, from 1 on, a number of them.
        layer_decay: what the learning rate of each layer is multiplied by to give that of the layer below.
        average_decay: of the moving average of the weights that is measured and saved; None is none.
        dropout: fraction that each dropout layer drops while training; None is what the model's configuration says.
        gradient_noise: variance of the noise on the gradients of the first update.
        gradient_checkpointing: whether layers are computed again for their gradients, for less memory.
        precision: that is computed in; auto is the faster one here of float32 and bfloat16, which is measured.
    """

    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulation: int = Field(gt=0)
    optimizer: Literal["adamw", "adafactor", "sgd", "muon"]
    learning_rate: Annotated[float | Literal["find"], BeforeValidator(_rate)]
    schedule: Literal["linear", "cosine", "polynomial", "constant"]
    warmup: Annotated[float | int, BeforeValidator(_warmup)]
    layer_decay: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, lt=1)
    average_decay: Annotated[float, Field(gt=0, lt=1)] | None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None
    max_gradient_norm: float = Field(gt=0)
    gradient_noise: float = Field(ge=0)
    gradient_checkpointing: bool
    validations_per_epoch: int = Field(gt=0)
    patience: int = Field(gt=0)
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    threads: int = Field(gt=0)
