"""Pictures that cannot be read, are too small, or are there twice; nearly the same ones are found, others are not."""

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

from stages.shared.params import SPLITS
from stages.validate.near_pictures import (
    THUMBNAIL,
    allowed_bits,
    find_near_pictures,
    near_pairs,
    packed_hash,
    thumbnail,
)
from tests.drawn import LABELS, drawn, encoded, example
from tests.stages.validate.conftest import Run, Splits

IMAGES: dict[str, Any] = {
    "task": {
        "name": "images",
        "labels": LABELS,
        "height": 32,
        "width": 32,
        "fit": "stretch",
        "resampling": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "max_bytes": 1_000_000,
        "max_pixels": 1_000_000,
    },
    "validate.sides": {"min": 8, "max": 100},
    "validate.near_duplicate_similarity": 0.95,
    "validate.min_rows": {"train": 10, "validation": 4, "test": 4},
}


@pytest.fixture
def pictures() -> Splits:
    """30 train, 8 validation and 8 test rows at which nothing is wrong."""
    sizes = {"train": (0, 30), "validation": (100, 8), "test": (200, 8)}
    return {
        split: [example(start + n, LABELS[n % 2], split) for n in range(rows)] for split, (start, rows) in sizes.items()
    }


def test_good_pictures_are_all_kept_and_the_reports_speak_of_pictures(
    pictures: Splits, run: Callable[..., Run]
) -> None:
    found = run(pictures, IMAGES)
    assert found.outcome is not None and found.rejected == []
    assert found.outcome.metrics["rows.set_aside"] == 0
    assert "unknown_token_share" not in found.outcome.metrics
    report = (found.out / "report.md").read_text()
    assert "Pictures in two splits" in report and "pixels of the longer side" in report
    assert "token" not in report
    page = (found.out / "report.html").read_text()
    assert "Bytes per picture" in page and "token" not in page
    assert list((found.out / "data_docs").rglob("*.html"))


def test_what_is_wrong_is_set_aside_with_its_reason(pictures: Splits, run: Callable[..., Run]) -> None:
    train = pictures["train"]
    train[0]["image"] = train[0]["image"][:70]
    train[1]["image"] = encoded(drawn(1, "light", (7, 30)))
    train[2]["image"] = encoded(drawn(4, "dark"), "BMP")  # the pixels of train4
    train[5]["label"] = "lihgt"
    train[6]["image"] = pictures["test"][0]["image"]
    train[7] = {**train[7], "image": train[8]["image"]}  # light here, dark there
    found = run(pictures, IMAGES)
    reasons = {row["id"]: row["reasons"] for row in found.rejected}
    assert reasons["train0"][0].startswith("empty_text: the picture is damaged")
    assert reasons["train1"] == ["length: 7 pixels on a side, allowed 8 to 100"]
    assert reasons["train4"] == ["duplicate: same picture as train/dark/2.png (train)"]
    assert "Did you mean 'light'" in reasons["train5"][0]
    assert reasons["train6"] == ["leak: same picture as test/dark/200.png (test)"]
    assert reasons["train7"] == ["conflict: labelled 'light' here and 'dark' at train/dark/8.png (train)"]
    assert reasons["train8"] == ["conflict: labelled 'dark' here and 'light' at train/light/7.png (train)"]
    assert len(reasons) == 7


def test_a_bomb_is_set_aside(pictures: Splits, run: Callable[..., Run]) -> None:
    pictures["train"][3]["image"] = encoded(Image.new("1", (20_000, 20_000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(pictures, IMAGES)
    (row,) = found.rejected
    assert "pixels" in row["reasons"][0]


def test_near_copies_are_taken_from_train_and_never_from_test(pictures: Splits, run: Callable[..., Run]) -> None:
    for split, number, other in (("test", 0, 2), ("validation", 0, 4)):
        copy = drawn(other, "dark").resize((80, 64), Image.Resampling.BICUBIC)
        pictures[split][number]["image"] = encoded(copy, "JPEG", quality=80)
    pictures["train"][10]["image"] = encoded(ImageEnhance.Brightness(drawn(12, "dark")).enhance(1.04))
    found = run(pictures, IMAGES | {"validate.limits.near_leak": 0.5})
    assert found.outcome is not None
    reasons = {row["id"]: row["reasons"][0] for row in found.rejected}
    assert reasons.keys() == {"train2", "train4", "train12"}
    assert reasons["train2"].startswith("near_leak: nearly the picture of test/dark/200.png (test), ")
    assert reasons["train2"].endswith("of the 64 bits of their hashes differ")
    assert reasons["train12"].startswith("duplicate: nearly the picture of train/dark/10.png (train)")
    assert found.outcome.metrics["near_leak.train_in_test"] == 1 / 8


def test_too_many_is_a_refusal_that_says_what_to_do(pictures: Splits, run: Callable[..., Run]) -> None:
    for row in pictures["train"][:20]:
        row["image"] = b"broken"
    found = run(pictures, IMAGES)
    assert "pictures" in found.unmet()["empty_text"]
    assert "validate.limits.empty_text" in found.refusal


def photographs(count: int) -> list[Image.Image]:
    """Pieces of two photographs that come with scikit-learn, none of which overlaps another by much."""
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(picture) for picture in load_sample_images().images]
    found = []
    for number in range(count):
        picture, side = pictures[number % 2], int(random.integers(60, 120))
        left, upper = (int(random.integers(0, length - side)) for length in picture.size)
        found.append(picture.crop((left, upper, left + side, upper + side)))
    return found


def compared(pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    joined = b"".join(map(thumbnail, pictures))
    hashes = np.array([packed_hash(picture) for picture in pictures], np.uint64)
    return hashes, np.frombuffer(joined, np.uint8).reshape(len(pictures), 3 * THUMBNAIL**2)


def jpeg(picture: Image.Image) -> Image.Image:
    return Image.open(BytesIO(encoded(picture, "JPEG", quality=90))).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [
        jpeg,
        lambda picture: picture.resize((48, 48), Image.Resampling.LANCZOS),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.05),
    ],
    ids=["jpeg", "smaller", "brighter"],
)
def test_copies_of_photographs_are_found(change: Callable[[Image.Image], Image.Image]) -> None:
    originals = photographs(60)
    hashes, thumbnails = compared([*originals, *map(change, originals)])
    left, right = np.arange(60), np.arange(60, 120)
    matches = find_near_pictures(hashes, thumbnails, left, right, allowed_bits(0.9))
    assert (matches.left == np.arange(60)).mean() >= 0.8
    assert set(matches.left.tolist()) <= {-1, *range(60)}


def test_the_bands_find_what_comparing_all_finds() -> None:
    random = np.random.default_rng(1)
    base = random.integers(0, 2**63, 300, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in random.choice(64, number % 9, replace=False)) for number in range(300)]
    hashes = np.concatenate([base, base ^ np.array(flips, np.uint64)])
    thumbnails = np.zeros((600, 3), np.uint8)
    for bits in (0, 3, 6):
        apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
        wanted = {(a, b) for a, b in zip(*np.nonzero(apart <= bits), strict=True) if a < b}
        assert set(near_pairs(hashes, thumbnails, np.arange(600), bits)) == wanted
        matches = find_near_pictures(hashes, thumbnails, np.arange(300), np.arange(300, 600), bits)
        assert (matches.left >= 0).sum() == len({a for a, b in wanted if a < 300 <= b})


def test_plain_pictures_of_other_colours_are_not_the_same() -> None:
    hashes, thumbnails = compared([Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "#fe0000")])
    assert near_pairs(hashes, thumbnails, np.arange(3), 3) == [(0, 2)]


def test_the_stage_writes_the_same_bytes_again(pictures: Splits, run: Callable[..., Run]) -> None:
    one, two = run(pictures, IMAGES), run(pictures, IMAGES)
    names = [f"{split}.parquet" for split in SPLITS] + ["report.html", "report.md", "rejected.jsonl"]
    assert all(_bytes(one.out / name) == _bytes(two.out / name) for name in names)


def _bytes(path: Path) -> bytes:
    return path.read_bytes()
