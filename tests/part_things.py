"""Things that agents show in tests. Without Langroid."""

from __future__ import annotations

import io
from typing import Any

import pandas
from matplotlib.figure import Figure
from PIL import Image

DIFF = "--- a/poem.txt\n+++ b/poem.txt\n@@ -1 +1 @@\n-the see\n+the sea\n"


def picture(colour: str = "teal", format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 180), colour).save(file, format)
    return file.getvalue()


def frame(rows: int = 3) -> pandas.DataFrame:
    cities = [("Rome", 2.76, "=1+1"), ("Paris", 2.1, "-3"), ("Łódź", None, "a|b")]
    return pandas.DataFrame([cities[at % 3] for at in range(rows)], columns=["City", "Millions", "Note"])


def plot() -> Figure:
    figure = Figure(figsize=(5, 3))
    figure.subplots().plot([1, 2, 3], [1, 4, 9], label="squares")
    return figure


THINGS: dict[str, Any] = {
    "text": "Some **Markdown** in its place.",
    "image": picture(),
    "plot": plot(),
    "jpeg": picture("tomato", "JPEG"),
    "table": frame(),
    "long_table": frame(5000),
    "rows": [{"name": "Ada", "born": 1815}, {"name": "Alan", "born": 1912}],
    "json": {"name": "Ada", "works": [{"year": 1843, "title": "Notes"}], "alive": False, "end": None},
    "diff": DIFF,
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "pdf": b"%PDF-1.4\n%%EOF",
    "audio": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28),
    "zip": b"PK\x05\x06" + bytes(18),
}
