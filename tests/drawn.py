"""Pictures for tests, drawn by a seed: each like no other, and of a label that can be seen."""

import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

LABELS = ["dark", "light"]


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a file with the picture in it."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def drawn(seed: int, label: str, size: tuple[int, int] = (40, 32)) -> Image.Image:
    """Rectangles of many colours on dark or light ground."""
    random = np.random.default_rng(seed)
    ground = (20, 20, 30) if label == "dark" else (230, 235, 240)
    picture = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(picture)
    for _ in range(5):
        (left, right), (upper, lower) = (np.sort(random.integers(0, side, 2)) for side in size)
        pen.rectangle((int(left), int(upper), int(right), int(lower)), tuple(map(int, random.integers(0, 256, 3))))
    return picture


def example(number: int, label: str, split: str = "train", data: bytes | None = None) -> dict[str, Any]:
    """An example whose picture is drawn by its number, or is the one given."""
    image = encoded(drawn(number, label)) if data is None else data
    place = {"id": f"{split}{number}", "source": f"{split}/{label}/{number}.png", "parent": "", "made_by": ""}
    return {**place, "image": image, "label": label}
