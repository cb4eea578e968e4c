"""From the bytes of a picture to the numbers that a model reads: decoded, turned upright, in RGB, fitted, normalised.

Training and production read by this one file, so that both see the same numbers. Every picture becomes RGB in one way:

- the first frame of several, turned as its EXIF orientation says; a colour profile is not looked at;
- 16 bits a channel become their upper 8; what is transparent lies on white;
- greyscale, black and white, palettes, CMYK, YCbCr and Lab as Pillow converts them.

Pillow is imported where it is used: a bundle that reads texts does not need it.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from serving.errors import BundleMissing, TextRefused

if TYPE_CHECKING:
    from PIL import Image

FITS = ("stretch", "crop")
RESAMPLINGS = ("nearest", "bilinear", "bicubic", "lanczos")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")  # Pillow knows more, some of which start programs
WHITE = (255, 255, 255, 255)
_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@cache
def _pillow() -> Any:
    """Pillow's Image, without its warnings on size: pictures past the limit are refused here.

    Raises:
        BundleMissing: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise BundleMissing("the Python package 'Pillow' is needed to read pictures. Install it with pip.") from None
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image


@dataclass(frozen=True)
class Limits:
    """What may be decoded at all: bytes as they lie in the file, and width x height."""

    max_bytes: int
    max_pixels: int


def _opened(data: bytes, limits: Limits) -> "Image.Image":
    """The picture with its head read and no pixel decoded: a picture past the limits costs no memory."""
    if len(data) > limits.max_bytes:
        raise TextRefused(f"the picture has {len(data):,} bytes, at most {limits.max_bytes:,} are read")
    library = _pillow()
    try:
        picture: Image.Image = library.open(io.BytesIO(data), formats=FORMATS)
    except library.DecompressionBombError as error:
        raise TextRefused(f"the picture is too large: {error}") from None
    except Exception as error:  # its decoders raise a dozen kinds
        if not data:
            raise TextRefused("the file is empty") from None
        kinds = ", ".join(FORMATS)
        raise TextRefused(f"the file is no picture that can be read ({kinds}): {_first_line(error)}") from None
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise TextRefused(f"the picture has {width} x {height} pixels, at most {limits.max_pixels:,} are read")
    return picture


def _first_line(error: Exception) -> str:
    """What a decoder says, without the address in memory of what it read."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "of no known format" if "BytesIO" in said else said


def _as_rgb(picture: "Image.Image") -> "Image.Image":
    """The picture in RGB, as the head of this file says."""
    if picture.mode in _SIXTEEN_BITS:
        values = np.clip(np.asarray(picture).astype(np.int64), 0, 65_535) >> 8
        return _pillow().fromarray(values.astype(np.uint8)).convert("RGB")  # type: ignore[no-any-return]
    if picture.mode == "F":
        raise TextRefused("the picture has floating-point pixels, of which nobody can say what white is")
    if picture.has_transparency_data:
        seen = picture.convert("RGBA")
        return _pillow().alpha_composite(_pillow().new("RGBA", seen.size, WHITE), seen).convert("RGB")  # type: ignore[no-any-return]
    return picture.convert("RGB")


def decoded(data: bytes, limits: Limits) -> tuple["Image.Image", bool]:
    """The picture, upright and in RGB, and whether it is the first of several frames.

    Raises:
        TextRefused: it is past the limits, or cannot be read.
    """
    from PIL import ImageOps

    picture = _opened(data, limits)
    try:
        animated = bool(getattr(picture, "is_animated", False)) and picture.format != "MPO"  # whose others are previews
        picture.seek(0)
        picture.load()
        return _as_rgb(ImageOps.exif_transpose(picture)), animated
    except TextRefused:
        raise
    except Exception as error:  # its decoders raise a dozen kinds
        raise TextRefused(f"the picture is damaged: {_first_line(error)}") from None


@dataclass(frozen=True, eq=False)
class Picture:
    """An encoded picture, decoded each time that a model is fed with it: many of them fit into memory."""

    data: bytes
    reader: "PictureReader"

    def feed(self) -> dict[str, np.ndarray]:
        """What a model is fed: "pixel_values", float32 of shape (3, height, width)."""
        return self.reader.pixels(self.data).feed()


@dataclass(frozen=True, eq=False)
class Pixels:
    """A picture as a model reads it: float32 of shape (3, height, width); `cut`: some of it is not in there."""

    values: npt.NDArray[np.float32]
    cut: bool

    def feed(self) -> dict[str, np.ndarray]:
        """What a model is fed."""
        return {"pixel_values": self.values}


def bytes_of(path: Path, max_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        TextRefused: it is no file, is not to be read, or has more bytes; then it is not read.
    """
    try:
        if not path.is_file():
            raise TextRefused("no such file" if not path.exists() else "it is no file")
        size = path.stat().st_size
        if size > max_bytes:
            raise TextRefused(f"the file has {size:,} bytes, at most {max_bytes:,} are read")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise TextRefused(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None


class PictureReader:
    """Reads pictures for a model.

    Its settings: `height`, `width` in pixels; `fit`, what becomes of a picture of another shape: `stretch`, or `crop`,
    the largest piece of the right shape from its middle; `resampling`; `mean` and `std` of each channel, of values from
    0 to 1; `max_bytes` and `max_pixels` of a picture as it comes.
    """

    tokenizer = None

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the settings, which `fault_of_pictures` finds no fault with."""
        self.limits = Limits(settings["max_bytes"], settings["max_pixels"])
        self._size = (settings["width"], settings["height"])
        self._fit, self._resampling = settings["fit"], settings["resampling"]
        self._mean, self._std = (np.array(settings[name], np.float32)[:, None, None] for name in ("mean", "std"))

    def picture(self, data: bytes) -> Picture:
        """A picture that is decoded when it is needed."""
        return Picture(data, self)

    def read(self, given: str | bytes) -> Pixels:
        """What a model reads of a picture, given its path or its bytes. Raises TextRefused as `bytes_of`, `decoded`."""
        return self.pixels(bytes_of(Path(given), self.limits.max_bytes) if isinstance(given, str) else given)

    def pixels(self, data: bytes) -> Pixels:
        """What a model reads of a picture. Raises TextRefused as `decoded` does."""
        picture, animated = decoded(data, self.limits)
        box = self._box(*picture.size) if self._fit == "crop" else (0, 0, *picture.size)
        way = _pillow().Resampling[self._resampling.upper()]
        fitted = picture.resize(self._size, way, box=box)
        values = np.asarray(fitted, np.float32).transpose(2, 0, 1) / np.float32(255)
        cut = animated or box != (0, 0, *picture.size)
        return Pixels(np.ascontiguousarray((values - self._mean) / self._std), cut)

    def _box(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The largest piece of the model's shape in the middle: left, upper, right, lower."""
        wanted, across = self._size
        kept_width = min(width, max(1, round(height * wanted / across)))
        kept_height = min(height, max(1, round(width * across / wanted)))
        left, upper = (width - kept_width) // 2, (height - kept_height) // 2
        return left, upper, left + kept_width, upper + kept_height


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_channels(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(isinstance(one, int | float) for one in value)


def fault_of_pictures(settings: Any) -> str | None:
    """Why `pictures` of the settings does not say how pictures are read, else None."""
    if not isinstance(settings, dict):
        return "`pictures` says nothing of how they are read"
    wrong = [name for name in ("height", "width", "max_bytes", "max_pixels") if not _is_whole(settings.get(name))]
    wrong += [name for name in ("mean", "std") if not _is_channels(settings.get(name))]
    wrong += [] if "std" in wrong or all(settings["std"]) else ["std"]
    wrong += [name for name, known in (("fit", FITS), ("resampling", RESAMPLINGS)) if settings.get(name) not in known]
    return f"`pictures`: {', '.join(wrong)} cannot be used" if wrong else None
