"""One label for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from datasets import Value
from pydantic import Field

from serving.errors import TextRefused
from serving.pictures import PictureReader, bytes_of
from stages.shared.errors import ParamsError
from stages.shared.examples import Example
from stages.shared.model_files import CONFIG, read_settings
from stages.shared.sections import Choice
from stages.tasks import Batch, Prediction, Task
from stages.tasks._labels import SingleLabel
from stages.tasks._params import Labels

FIXED_SIZE = ("beit", "deit", "vit", "vit_msn")  # architectures that know one size of pictures alone
PILLOW_LIMIT = 89_478_485  # pixels from which Pillow speaks of a bomb

Channels = Annotated[list[float], Field(min_length=3, max_length=3)]
Spread = Annotated[float, Field(gt=0)]


class Params(Choice):
    """The labels, in the order of the model's outputs, and how pictures are read, which the base must be made for.

    Attributes:
        height, width: of what the model reads, in pixels.
        fit: of a picture of another shape: stretch it, or crop the largest piece of that shape from its middle.
        resampling: how pixels are made of pixels.
        mean, std: of red, green and blue, of values from 0 to 1: what is taken off, and what the rest is divided by.
        max_bytes, max_pixels: of a picture as it comes; a larger one is refused before memory grows.
    """

    name: Literal["images"]
    labels: Labels = Field(min_length=2)
    height: int = Field(ge=8, le=4096)
    width: int = Field(ge=8, le=4096)
    fit: Literal["stretch", "crop"]
    resampling: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    mean: Channels
    std: Annotated[list[Spread], Field(min_length=3, max_length=3)]
    max_bytes: int = Field(gt=0)
    max_pixels: int = Field(gt=0, le=PILLOW_LIMIT)

    @property
    def head(self) -> None:
        """None: the head is the one of the architecture."""
        return None

    def reading(self) -> dict[str, Any]:
        """How pictures are read, as `serving.pictures.PictureReader` wants to know it."""
        return self.model_dump(exclude={"name", "labels"})


def open_task(params: Params) -> Task:
    """The task of one label a picture."""
    return LabelledPictures(params.name, params.labels, {"pictures": params.reading()})


@dataclass(frozen=True)
class LabelledPictures(SingleLabel):
    """Labelling pictures; an example holds the bytes of its picture as they were given, in the column `image`."""

    medium: Literal["text", "picture"] = "picture"
    texts: tuple[str, ...] = ()
    head: Any = "picture"

    @property
    def asked(self) -> tuple[str, ...]:
        """The picture."""
        return ("image",)

    @property
    def together(self) -> tuple[str, ...]:
        """The picture."""
        return ("image",)

    @property
    def columns(self) -> dict[str, Any]:
        """The picture and the label."""
        return {"image": Value("binary"), "label": Value("string")}

    def opened(self, values: dict[str, Any], folder: Path, watched: Path) -> dict[str, Any]:
        """The values with the picture's bytes in the place of its path; bytes, also in an object, stay.

        Raises:
            ValueError: the file cannot be used, or lies outside of what DVC watches.
        """
        given = values["image"]
        if isinstance(given, Mapping) and given.get("bytes"):  # as the hub's data sets have pictures
            given = given["bytes"]
        if isinstance(given, bytes):
            return {**values, "image": given}
        if not isinstance(given, str) or not given.strip():
            raise ValueError("image: no path")
        path = folder / given
        if not path.resolve().is_relative_to(watched.resolve()):
            raise ValueError(
                f"image: '{given}' lies outside of {watched}, which is all that DVC watches: name a folder that holds "
                f"it in ingest.source.path, and a table in ingest.source.files"
            )
        try:
            return {**values, "image": bytes_of(path, self.reading["pictures"]["max_bytes"])}
        except TextRefused as error:
            raise ValueError(f"image: '{given}': {error}") from None

    @property
    def limits(self) -> tuple[int, ...]:
        """None: a picture has no tokens."""
        return ()

    def require_fit(self, base: Any) -> None:
        """Raise ParamsError where the base is no model for pictures, or not for pictures of this size."""
        from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as KNOWN

        config = read_settings(base.folder / CONFIG)
        kind = config.get("model_type")
        if kind not in KNOWN:
            raise ParamsError(
                f"pretrain.base: the base model '{base.reference}' is a '{kind}', which reads no pictures. "
                f"Choose one that does, such as a ViT or a ConvNeXt."
            )
        size = config.get("image_size", 0)
        wanted = [self.reading["pictures"][name] for name in ("height", "width")]
        if kind in FIXED_SIZE and wanted != (size if isinstance(size, list) else [size, size]):
            raise ParamsError(
                f"task.height, task.width: {wanted[0]} x {wanted[1]}: the base model '{base.reference}' reads pictures "
                f"of {size} pixels alone. Set them to that, or choose another base in pretrain.base."
            )

    def open_tokenizer(self, folder: Path) -> Any:
        """None: no words are read."""
        from stages.shared.no_words import NoWords

        return NoWords()

    def open_reader(self, tokenizer: Any, settings: Mapping[str, Any]) -> Any:
        """The reader of pictures."""
        return PictureReader(settings["pictures"])

    def items(self, reader: Any, examples: Sequence[Example]) -> list[Any]:
        """One item for each picture, whose pixels are made when a batch needs them."""
        from stages.tasks._picture_items import picture_items

        return picture_items(reader, examples, self.labels)

    def batch(self, items: Sequence[Any], padding: int) -> Batch:
        """{"pixel_values": float32 (pictures, 3, height, width), "expected": of each}."""
        from stages.tasks._picture_items import picture_batch

        return picture_batch(items)

    def baseline(self, splits: Mapping[str, Sequence[Example]], seed: int) -> tuple[list[Prediction], str]:
        """What colours and edges tell a linear classifier."""
        from stages.tasks._picture_baseline import label_pictures

        predicted, said = label_pictures(splits, self.reading["pictures"], seed)
        return predicted, str(said)
