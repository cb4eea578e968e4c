"""From bytes to numbers: every kind of picture in one way, and what is too large or broken refused before it costs."""

import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.errors import TextRefused
from serving.pictures import Limits, PictureReader, bytes_of, decoded, fault_of_pictures
from tests.drawn import drawn, encoded

LIMITS = Limits(max_bytes=1_000_000, max_pixels=1_000_000)
SETTINGS: dict[str, Any] = {
    "height": 8,
    "width": 8,
    "fit": "stretch",
    "resampling": "bilinear",
    "mean": [0.0, 0.0, 0.0],
    "std": [1.0, 1.0, 1.0],
    "max_bytes": 1_000_000,
    "max_pixels": 1_000_000,
}


def rgb(picture: Image.Image, kind: str = "PNG", **options: Any) -> np.ndarray:
    """The pixels as they are decoded, (height, width, 3)."""
    return np.asarray(decoded(encoded(picture, kind, **options), LIMITS)[0])


def png_head(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that says that it has so many pixels, whatever its data say."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_pixels_come_as_they_were_saved(kind: str) -> None:
    picture = drawn(1, "dark")
    assert np.array_equal(rgb(picture, kind), np.asarray(picture))


def test_sixteen_bits_become_their_upper_eight() -> None:
    values = np.array([[0, 255, 256, 65_535]], np.uint16)
    assert rgb(Image.fromarray(values))[0, :, 0].tolist() == [0, 0, 1, 255]


def test_what_is_transparent_lies_on_white() -> None:
    clear, half = (10, 20, 30, 0), (0, 0, 0, 128)
    picture = Image.new("RGBA", (2, 1))
    picture.putdata([clear, half])
    assert rgb(picture)[0].tolist() == [[255, 255, 255], [127, 127, 127]]
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 200, 100, 50])
    palette.putpixel((0, 0), 0)
    assert rgb(palette)[0].tolist() == [[9, 9, 9], [200, 100, 50]]
    assert rgb(palette, transparency=0)[0].tolist() == [[255, 255, 255], [200, 100, 50]]


@pytest.mark.parametrize(("mode", "colour", "kind"), [("L", 77, "PNG"), ("1", 1, "PNG"), ("LA", (77, 255), "PNG")])
def test_grey_has_three_equal_channels(mode: str, colour: Any, kind: str) -> None:
    (pixel,) = rgb(Image.new(mode, (1, 1), colour), kind)[0].tolist()
    assert pixel == [77, 77, 77] if mode != "1" else [255, 255, 255]


def test_cmyk_becomes_rgb() -> None:
    red = rgb(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")[0, 0]
    assert red.tolist() == [255, 0, 0]


def test_a_picture_is_turned_as_its_exif_says() -> None:
    picture = drawn(2, "light", (40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    turned = rgb(picture, "PNG", exif=exif)
    assert np.array_equal(turned, np.asarray(picture.transpose(Image.Transpose.ROTATE_270)))


def test_the_first_frame_of_several_is_read_and_it_is_said() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    pixels = PictureReader(SETTINGS).read(data)
    assert pixels.cut
    assert pixels.values[:, 0, 0].tolist() == [1.0, 0.0, 0.0]
    assert not PictureReader(SETTINGS).read(encoded(frames[0], "GIF")).cut


def test_numbers_are_what_the_formula_says() -> None:
    settings = {**SETTINGS, "mean": [0.5, 0.25, 0.0], "std": [0.5, 0.25, 2.0]}
    values = PictureReader(settings).read(encoded(Image.new("RGB", (8, 8), (255, 0, 51)))).values
    assert (values.shape, values.dtype) == ((3, 8, 8), np.float32)
    assert values[:, 3, 4] == pytest.approx([1.0, -1.0, 0.1])


def test_a_crop_is_the_middle_and_a_stretch_is_all() -> None:
    picture = Image.new("RGB", (24, 8), "red")
    picture.paste((0, 0, 255), (8, 0, 16, 8))
    crop = PictureReader({**SETTINGS, "fit": "crop"}).read(encoded(picture))
    stretch = PictureReader(SETTINGS).read(encoded(picture))
    assert crop.cut and not stretch.cut
    assert np.array_equal(crop.values[2], np.ones((8, 8), np.float32))
    assert stretch.values[0, 0, 0] == stretch.values[0, 0, -1] == 1.0
    assert not PictureReader({**SETTINGS, "fit": "crop"}).read(encoded(Image.new("RGB", (20, 20)))).cut


def test_a_bomb_is_refused_before_memory_grows() -> None:
    bomb = png_head(50_000, 50_000, bytes(100_000))
    tracemalloc.start()
    with pytest.raises(TextRefused, match="pixels"):
        decoded(bomb, LIMITS)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    with pytest.raises(TextRefused, match="2000 x 1000 pixels, at most 1,000,000"):
        decoded(png_head(2000, 1000), LIMITS)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"no picture at all", "no picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no picture that can be read"),
        (encoded(drawn(3, "dark"))[:120], "damaged"),
        (png_head(30, 30, b"too little"), "damaged"),
        (bytes(1_000_001), "bytes, at most 1,000,000"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "floating-point"),
    ],
)
def test_what_is_broken_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(TextRefused, match=said) as error:
        decoded(data, LIMITS)
    assert "\n" not in str(error.value) and "0x" not in str(error.value)


def test_a_file_is_read_only_when_it_is_one_and_not_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(11))
    assert bytes_of(tmp_path / "large", 11) == bytes(11)
    for path, said in ((tmp_path / "large", "11 bytes"), (tmp_path, "no file"), (tmp_path / "none", "no such file")):
        with pytest.raises(TextRefused, match=said):
            bytes_of(path, 10)
    with pytest.raises(TextRefused):
        bytes_of(Path("a\0b"), 10)
    with pytest.raises(TextRefused, match="no file"):
        bytes_of(Path("/dev/zero"), 10)


@pytest.mark.parametrize(
    ("name", "value"),
    [("height", 0), ("mean", [0.5]), ("std", [1, 0, 1]), ("fit", "pad"), ("resampling", None), ("max_pixels", "9")],
)
def test_settings_that_cannot_be_used_are_named(name: str, value: Any) -> None:
    assert fault_of_pictures(SETTINGS) is None
    assert fault_of_pictures({**SETTINGS, name: value}) == f"`pictures`: {name} cannot be used"
    assert fault_of_pictures([]) is not None
