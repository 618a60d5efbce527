"""Things for the demo agents to show, made here: nothing is fetched, and nothing beside Pillow is needed."""

from __future__ import annotations

import io
import math
import struct
import wave
from typing import Any

from PIL import Image, ImageDraw, ImageFont

PLANETS: list[dict[str, Any]] = [
    {"Planet": "Mercury", "Moons": 0, "Radius in km": 2440},
    {"Planet": "Venus", "Moons": 0, "Radius in km": 6052},
    {"Planet": "Earth", "Moons": 1, "Radius in km": 6371},
    {"Planet": "Mars", "Moons": 2, "Radius in km": 3390},
    {"Planet": "Saturn", "Moons": 274, "Radius in km": 58232},
]
DIFF = "--- a/poem.txt\n+++ b/poem.txt\n@@ -1,2 +1,2 @@\n-The grey see lifts\n+The grey sea lifts\n its shoulder.\n"
SOURCES: list[dict[str, Any]] = [
    {"title": "The Moons of Saturn", "page": 12, "quote": "Saturn has 274 known moons."},
    {"title": "Langroid", "url": "https://langroid.github.io/langroid/"},
]
WIDTH, BAR, LABELS = 960, 64, 210  # of a chart, in pixels
INK, BLUE, PAPER = "#1f2933", "#3b6fb6", "#ffffff"
HERTZ, RATE = 440, 16_000


def chart(values: dict[str, float], title: str) -> Image.Image:
    """Bars, one below the other. A figure of Matplotlib or Plotly is shown in the same way."""
    image = Image.new("RGB", (WIDTH, BAR * len(values) + 90), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((24, 20), title, INK, ImageFont.load_default(30))
    longest = max(values.values()) or 1
    for at, (name, value) in enumerate(values.items()):
        top = 80 + BAR * at
        draw.text((LABELS - 16, top + 22), name, INK, ImageFont.load_default(24), anchor="rm")
        right = LABELS + int((WIDTH - LABELS - 140) * value / longest)
        draw.rectangle((LABELS, top, right, top + BAR - 20), BLUE)
        draw.text((right + 12, top + 22), f"{value:,.0f}", INK, ImageFont.load_default(24), anchor="lm")
    return image


def radii() -> Image.Image:
    return chart({planet["Planet"]: planet["Radius in km"] for planet in PLANETS}, "Radius in km")


def pdf() -> bytes:
    """The chart on a page of paper."""
    file = io.BytesIO()
    radii().save(file, "PDF", resolution=120)
    return file.getvalue()


def tone(seconds: float = 1.0) -> bytes:
    """The A that orchestras tune to, as WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, RATE, 0, "NONE", ""))
        for at in range(int(RATE * seconds)):
            fading = 1 - at / (RATE * seconds)
            sound.writeframesraw(struct.pack("<h", int(9000 * fading * math.sin(2 * math.pi * HERTZ * at / RATE))))
    return file.getvalue()
