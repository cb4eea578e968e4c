"""Copies of pictures: mirrored, cut at their edges, in other colours; what is in them stays what it is."""

import io
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from serving.pictures import Limits, decoded
from stages.augment.copies import Copy, random_of
from stages.shared.examples import Example
from stages.shared.params import Params, PictureCopies
from stages.shared.progress import Progress
from stages.tasks import Task

if TYPE_CHECKING:
    from PIL import Image

MADE_BY = "pictures"


def with_pictures(train: Any, task: Task, params: Params) -> Iterator[tuple[Example, Copy]]:
    """Each training row with each of its copies, as many as the parameters say."""
    chosen, way = params.augment.pictures, task.settings().get("pictures")
    if not chosen.copies or way is None:
        return
    limits = Limits(way["max_bytes"], way["max_pixels"])
    with Progress("pictures", len(train)) as progress:
        for example in train:
            picture, _ = decoded(example["image"], limits)
            for number in range(1, chosen.copies + 1):
                made = changed(picture, chosen, random_of(params.seed, example, f"pictures {number}"))
                row = {**example, "image": _encoded(_smaller(made, way)), "id": f"{example['id']}+pic{number}"}
                yield example, Copy({**row, "parent": example["id"], "made_by": MADE_BY})
            progress.advance(1)


def changed(picture: "Image.Image", chosen: PictureCopies, randomness: random.Random) -> "Image.Image":
    """The picture, RGB, cut, mirrored and in other colours, as far as the parameters allow and chance has it."""
    cut = _cut(picture, chosen.crop, randomness)
    return _coloured(_mirrored(cut, chosen.flip, randomness), chosen.colour, randomness)


def _cut(picture: "Image.Image", most: float, randomness: random.Random) -> "Image.Image":
    """Less up to `most` of its width and of its height, the same fraction of both, from any place of it."""
    share = randomness.uniform(0, most)
    width, height = (max(1, round(side * (1 - share))) for side in picture.size)
    left = randomness.randint(0, picture.width - width)
    upper = randomness.randint(0, picture.height - height)
    return picture.crop((left, upper, left + width, upper + height))


def _mirrored(picture: "Image.Image", flip: str, randomness: random.Random) -> "Image.Image":
    """Mirrored along each axis that is allowed, or not, by the toss of a coin."""
    from PIL import ImageOps

    if flip in ("horizontal", "both") and randomness.random() < 0.5:
        picture = ImageOps.mirror(picture)
    if flip in ("vertical", "both") and randomness.random() < 0.5:
        picture = ImageOps.flip(picture)
    return picture


def _coloured(picture: "Image.Image", most: float, randomness: random.Random) -> "Image.Image":
    """Brightness, contrast and saturation each times a factor from 1 - most to 1 + most."""
    from PIL import ImageEnhance

    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhancer(picture).enhance(randomness.uniform(1 - most, 1 + most))
    return picture


def _smaller(picture: "Image.Image", way: Mapping[str, Any]) -> "Image.Image":
    """The picture no larger than a model reads it: the rest would only be stored."""
    from PIL import Image

    scale = max(way["width"] / picture.width, way["height"] / picture.height)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling[way["resampling"].upper()])


def _encoded(picture: "Image.Image") -> bytes:
    """As PNG, which loses nothing."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
