"""Images are written anew before anybody sees them: what is not a picture in a file, such as EXIF or a script, is gone.

Bombs are refused by what a file declares, before anything of it is unpacked, or as soon as there is too much of it.
"""

from __future__ import annotations

import io
import logging
import threading
import warnings
from dataclasses import dataclass
from typing import Any, BinaryIO

from PIL import Image, ImageOps, ImageSequence

from chat.exceptions import BadFrame, TooLarge

logger = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")  # that are read at all
MAX_PIXELS = 50_000_000  # of all frames together: 200 MB, for a moment
MAX_FRAMES = 2_000  # each costs time, however small it is
MAX_SCANS = 64  # of a JPEG: each is a pass over all of its pixels, and may take but a few bytes
QUALITY = 90  # of JPEG and WebP
_KEPT = ("transparency", "duration", "loop", "background", "disposal")  # of what a file says beside its pixels

_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image that has been written anew."""

    file: BinaryIO
    width: int
    height: int


def written_anew(file: BinaryIO) -> Picture:
    """Return the image of a PNG, JPEG, GIF or WebP file in the same format, upright. Blocking, for seconds.

    Raises: TooLarge for more pixels than anybody should unpack; BadFrame for what is no such image.
    """
    file.seek(0)
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about files that it can read all the same
        try:
            return _written_anew(file)
        except (TooLarge, MemoryError):
            raise
        except Image.DecompressionBombError:
            raise TooLarge("This image has too many pixels.") from None
        except Exception as error:  # a decoder fails in many ways
            logger.info("an image cannot be read: %s", type(error).__name__)
            raise BadFrame("This image cannot be read.") from None


def png_of(image: Image.Image) -> BinaryIO:
    """An image in memory as a PNG file."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    return _saved([image], "PNG", {})


def _written_anew(file: BinaryIO) -> Picture:
    _check_scans(file)
    with Image.open(file, formats=FORMATS) as image:
        _check_pixels(image.width * image.height)
        format = (
            "JPEG" if image.format == "MPO" else image.format or ""
        )  # several of a camera's: the first is the photo
        said = {name: image.info[name] for name in _KEPT if name in image.info}
        is_animated = format != "JPEG" and getattr(image, "is_animated", False)
        frames = _frames(image) if is_animated else [_upright(image)]
    for frame in frames:
        frame.info = {name: frame.info[name] for name in _KEPT if name in frame.info}
    if format == "JPEG" and frames[0].mode not in ("L", "RGB"):
        frames = [frames[0].convert("RGB")]
    return Picture(file=_saved(frames, format, said), width=frames[0].width, height=frames[0].height)


def _check_scans(file: BinaryIO) -> None:
    """Raises: TooLarge for a JPEG that would keep a decoder busy for minutes."""
    data = file.read()
    file.seek(0)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > MAX_SCANS:
        raise TooLarge("This image has too many layers.")


def _check_pixels(count: int) -> None:
    if count > MAX_PIXELS:
        raise TooLarge("This image has too many pixels.")


def _frames(image: Image.Image) -> list[Image.Image]:
    """All images of an animation. How many there are, a GIF does not say: they are counted as they come."""
    found: list[Image.Image] = []
    for frame in ImageSequence.Iterator(image):
        if len(found) == MAX_FRAMES:
            raise TooLarge("This image has too many frames.")
        _check_pixels(image.width * image.height * (len(found) + 1))
        found.append(frame.copy())
    return found


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF says, which is then dropped."""
    image.load()
    turned = ImageOps.exif_transpose(image)
    return image.copy() if turned is None else turned


def _saved(frames: list[Image.Image], format: str, said: dict[str, Any]) -> BinaryIO:
    file = io.BytesIO()
    options: dict[str, Any] = {"quality": QUALITY} if format in ("JPEG", "WEBP") else {}
    if len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:], **said}
    elif "transparency" in said:
        options["transparency"] = said["transparency"]
    frames[0].save(file, format, **options)
    return file
