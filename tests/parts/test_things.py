"""What an agent shows becomes a part: which kind, how much of it, and nothing that could run."""

from __future__ import annotations

import asyncio
import csv
import io
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path

import numpy
import pandas
import pytest
from matplotlib.figure import Figure
from PIL import Image
from plotly import graph_objects
from pydantic import BaseModel

from chat.exceptions import BadFrame, TooLarge
from chat.files import images
from chat.parts.things import part_of, part_of_result
from chat.wire.frames import encode
from tests import programs

DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"


def picture(format: str = "PNG", size: tuple[int, int] = (40, 20), **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, format, **options)
    return file.getvalue()


class Person(BaseModel):
    name: str
    born: int


@dataclass
class Point:
    x: float
    y: float


@pytest.mark.parametrize(
    ("thing", "kind"),
    [
        ("**hello**", "text"),
        (DIFF, "diff"),
        ("--- a title\nno diff", "text"),
        (picture(), "image"),
        (bytearray(picture("JPEG")), "image"),
        (picture("GIF"), "image"),
        (picture("WEBP"), "image"),
        (Image.new("CMYK", (2, 2)), "image"),
        (b"%PDF-1.7", "pdf"),
        (b"ID3\x04", "audio"),
        (b"<svg onload='x()'></svg>", "file"),
        (b"<!doctype html>", "file"),
        (b"PK\x03\x04", "file"),
        (pandas.DataFrame({"a": [1]}), "table"),
        (pandas.Series([1, 2], name="a"), "table"),
        ([{"a": 1}, {"b": 2}], "table"),
        ([(1, 2), (3, 4)], "table"),
        ([Person(name="Ada", born=1815)], "table"),
        ([Point(1, 2)], "table"),
        ({"a": [1]}, "json"),
        ([1, 2, 3], "json"),
        ([], "json"),
        (Person(name="Ada", born=1815), "json"),
        (Point(1, 2), "json"),
        (None, "json"),
    ],
)
def test_each_thing_has_its_kind(thing, kind):
    assert part_of(thing).kind == kind


def test_a_path_is_its_file_under_its_name(tmp_path: Path):
    path = tmp_path / "plot.png"
    path.write_bytes(picture())

    part = part_of(path, alt="a line")

    assert (part.kind, part.name, part.alt) == ("image", "plot.png", "a line")
    assert (part.fields["width"], part.fields["height"]) == (40, 20)


def test_a_path_over_the_limit_is_not_read(tmp_path: Path, settings):
    settings.CHAT_MAX_ATTACHMENT_BYTES = 10
    (tmp_path / "big").write_bytes(bytes(11))
    with pytest.raises(TooLarge):
        part_of(tmp_path / "big")


def test_what_cannot_be_shown_says_so():
    with pytest.raises(TypeError, match="object of type object"):
        part_of(object())


def test_an_image_has_the_ending_of_its_content():
    assert part_of(picture("JPEG"), name="photo").name == "photo.jpg"


# -- images ------------------------------------------------------------------------------------------------------------


def test_an_image_is_written_anew_without_what_is_no_picture():
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    secret = picture("JPEG", exif=exif, comment=b"a secret") + b"<script>alert(1)</script>"

    part = part_of(secret)

    data = part.file.getvalue()
    assert data != secret and b"home" not in data and b"secret" not in data and b"script" not in data
    assert not Image.open(io.BytesIO(data)).getexif()


def test_a_photo_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees

    fields = part_of(picture("JPEG", exif=exif)).fields

    assert (fields["width"], fields["height"]) == (20, 40)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_a_picture_that_moves_goes_on_moving(format):
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(file, format, save_all=True, append_images=frames[1:], duration=80, loop=0)

    image = Image.open(part_of(file.getvalue()).file)

    assert image.n_frames == 3


def test_a_bomb_of_pixels_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 700)
    with pytest.raises(TooLarge):
        part_of(picture())


@pytest.mark.parametrize("data", [picture()[:60], b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a" + b"\xff" * 30])
def test_a_broken_image_is_refused(data):
    with pytest.raises(BadFrame):
        part_of(data)


# -- tables ------------------------------------------------------------------------------------------------------------


def rows_of(part) -> list[list[str]]:
    part.file.seek(0)
    return list(csv.reader(io.TextIOWrapper(part.file, "utf-8", newline="")))


def test_a_table_shows_the_first_rows_and_keeps_them_all():
    part = part_of(pandas.DataFrame({"n": range(1000)}), name="Numbers")

    assert len(part.fields["rows"]) == 200 and part.fields["total"] == 1000
    assert len(rows_of(part)) == 1001
    assert part.file_name == "Numbers.csv"


def test_a_table_of_long_cells_fits_into_a_frame():
    part = part_of([{"text": "x" * 5000, "n": 1}] * 500)

    assert 0 < len(part.fields["rows"]) < 200
    assert len(encode(part.fields)) < 100_000
    assert len(rows_of(part)[1][0]) == 5000


def test_cells_are_what_json_can_say():
    frame = pandas.DataFrame(
        {"a": [numpy.int64(1), 2], "b": [float("nan"), float("inf")], "c": [pandas.NaT, pandas.Timestamp("2026-01-02")]}
    )
    rows = part_of(frame).fields["rows"]

    assert rows == [[1, None, None], [2, None, "2026-01-02 00:00:00"]]


def test_an_integer_beyond_a_browser_s_is_a_text():
    assert part_of([{"n": 2**60}]).fields["rows"] == [[str(2**60)]]


def test_an_index_with_a_meaning_is_a_column():
    frame = pandas.DataFrame({"n": [1, 2]}, index=pandas.Index(["a", "b"], name="key"))

    assert part_of(frame).fields["columns"] == ["key", "n"]
    assert part_of(frame).fields["rows"] == [["a", 1], ["b", 2]]


def test_a_text_that_a_spreadsheet_would_run_is_disarmed():
    part = part_of([{"a": "=HYPERLINK(1)", "b": "-3", "c": "@x", "d": -3}])

    assert rows_of(part)[1] == ["'=HYPERLINK(1)", "-3", "'@x", "-3"]


def test_a_table_is_told_in_words_where_it_cannot_be_shown():
    part = part_of([{"a|b": "x|y\nz"}] * 30, name="T")

    lines = part.text.splitlines()
    assert lines[0] == "**T** (30 rows)" and lines[2] == "| a\\|b |" and lines[4] == "| x\\|y z |"
    assert len(lines) == 14


# -- figures, json, results --------------------------------------------------------------------------------------------


def test_long_json_is_cut_on_the_page_and_whole_as_a_file():
    part = part_of({"text": "x" * 100_000}, name="big")

    assert len(part.fields["text"].encode()) <= 65_536 and part.file_name == "big.json"
    assert len(part.file.getvalue()) > 100_000


def test_a_figure_of_matplotlib_is_an_image_with_its_points():
    figure = Figure()
    lines, bars = figure.subplots(1, 2)
    lines.plot([1, 2, 3], [1.0, 4.0, 9.0], label="squares")
    lines.scatter([5, 6], [7, 8])
    bars.bar(["north", "south"], [10, 20], label="sales")

    part = part_of(figure, alt="a line")

    assert (part.kind, part.name, part.alt) == ("image", "figure.png", "a line") and part.fields["width"] > 100
    assert part.fields["data"]["columns"] == ["series", "x", "y"] and part.fields["data"]["total"] == 7
    assert part.fields["data"]["rows"] == [
        *[["squares", 1, 1.0], ["squares", 2, 4.0], ["squares", 3, 9.0]],
        *[["", 5.0, 7.0], ["", 6.0, 8.0]],
        *[["sales", "north", 10], ["sales", "south", 20]],
    ]


@pytest.mark.parametrize("give", [lambda axes: axes, lambda axes: numpy.array([axes])])
def test_axes_are_shown_as_their_figure_also_when_a_tool_gives_them_back(give):
    axes = Figure().subplots()
    axes.plot(pandas.date_range("2026-01-01", periods=2).to_numpy(), [1, 2])
    axes.barh(["north"], [7])

    part = part_of_result(give(axes))

    times = ["2026-01-01 00:00:00", "2026-01-02 00:00:00"]
    assert part.kind == "image" and part.fields["data"]["rows"][:2] == [["", times[0], 1], ["", times[1], 2]]
    assert part.fields["data"]["rows"][2][1] == 7


def test_a_pie_and_bars_that_lie_have_their_names():
    figure = Figure()
    pie, bars = figure.subplots(1, 2)
    pie.pie([1, 3], labels=["a", "b"])
    bars.barh(["north"], [7])

    assert part_of(figure).fields["data"]["rows"] == [["a", "share", 0.25], ["b", "share", 0.75], ["", 7, "north"]]


PAIRS = pandas.MultiIndex.from_product([["a"], [1, 2]])
VALUES = {
    "a time": (datetime(2026, 1, 1), "text", "2026-01-01 00:00:00"),
    "a Decimal": (Decimal("1.10"), "text", "1\\.10"),
    "an enumeration's": (Enum("Colour", {"RED": "red"})["RED"], "text", "red"),
    "a file in memory": (io.BytesIO(b"plain"), "file", "File: file.txt"),
    "a number of numpy": (numpy.int64(5), "json", "```json\n5\n```"),
    "an array of one axis": (numpy.arange(2), "json", "[\n  0,\n  1\n]"),
    "an array of two axes": (numpy.array([[1, 2]]), "table", "| 1 | 2 |"),
    "an empty table": (pandas.DataFrame(), "table", "**Table** (0 rows)"),
    "columns of several levels": (pandas.DataFrame([[1, 2]], columns=PAIRS), "table", "| a / 1 | a / 2 |"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_shown_as_what_it_is(name):
    thing, kind, text = VALUES[name]
    part = part_of(thing)
    assert part.kind == kind and text in part.text


@pytest.mark.parametrize("thing", [(each for each in "ab"), Person, object(), ValueError("x")])
def test_what_cannot_be_shown_says_what_can(thing):
    with pytest.raises(TypeError, match="show a text"):
        part_of(thing)


def test_of_a_figure_of_many_points_the_first_are_told():
    figure = Figure()
    figure.subplots().plot(range(100_000))
    assert (len(part_of(figure).fields["data"]["rows"]), part_of(figure).fields["data"]["total"]) == (200, 100_000)
    assert "data" not in part_of(Figure()).fields


def plotly_figure():
    return graph_objects.Figure(
        [
            graph_objects.Scatter(x=[1, 2], y=numpy.array([3.0, 4.0]), name="squares"),
            graph_objects.Pie(labels=["north"], values=[7]),
            graph_objects.Heatmap(x=["a", "b"], y=["c"], z=[[5, 6]]),
        ]
    )


POINTS = {
    "columns": ["trace", "x", "y", "labels", "values", "z"],
    "rows": [
        *(["squares", 1, 3.0, None, None, None], ["squares", 2, 4.0, None, None, None]),
        *([2, None, None, "north", 7, None], [3, "a", "c", None, None, 5], [3, "b", "c", None, None, 6]),
    ],
    "total": 5,
    "total_columns": 6,
}


def test_a_figure_of_plotly_is_an_image_with_its_points_from_a_coroutine_too(monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", programs.require("chromium"))  # what draws it

    async def tool():
        return part_of(plotly_figure(), name="Sales", alt="lines")

    part = asyncio.run(tool())

    assert (part.kind, part.name, part.alt) == ("image", "Sales.png", "lines") and part.fields["data"] == POINTS
    assert Image.open(part.file).size == (1400, 1000) == (part.fields["width"], part.fields["height"])


@pytest.mark.parametrize("figure", [plotly_figure, graph_objects.Figure])
def test_a_figure_of_plotly_that_cannot_be_drawn_is_its_data_and_says_so(monkeypatch, caplog, figure):
    monkeypatch.setattr("plotly.io._kaleido.kaleido_available", lambda: False)

    part = part_of(figure(), name="Sales")

    assert part.name == "Sales: its data, as it cannot be drawn here" and "it takes kaleido" in caplog.text
    assert part.kind == "json" if figure is graph_objects.Figure else part.fields == POINTS


@pytest.mark.parametrize("result", ["text", {"a": 1}, 3, None, [], ["a"], [1, 2], object()])
def test_what_a_tool_gives_back_of_other_kinds_is_not_shown_by_itself(result):
    assert part_of_result(result) is None
