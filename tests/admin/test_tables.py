"""Tables as files: no cell is a formula, none has a meaning as Markdown."""

from __future__ import annotations

import csv
import io
import json

import pytest

from chat.admin.tables import to_csv, to_json, to_markdown

COLUMNS = ["name", "n"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote(start):
    text = to_csv([{"name": f"{start}cmd|' /C calc'!A0", "n": 1}], COLUMNS)
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"] == f"'{start}cmd|' /C calc'!A0"


def test_numbers_stay_numbers():
    text = to_csv([{"name": None, "n": -5}], COLUMNS)
    assert text.splitlines() == ["name,n", ",-5"]
    assert json.loads(to_json([{"name": None, "n": -5}], COLUMNS)) == [{"name": None, "n": -5}]


def test_a_comma_a_quote_and_a_line_stay_in_their_cell():
    text = to_csv([{"name": 'a,"b"\nc', "n": 1}], COLUMNS)
    assert next(csv.DictReader(io.StringIO(text, newline="")))["name"] == 'a,"b"\nc'


def test_markdown_shows_a_cell_as_it_is():
    text = to_markdown([{"name": "a|b <script> [x](y)\n**z**", "n": None}], COLUMNS)
    assert text == "| name | n |\n| --- | --- |\n| a\\|b \\<script\\> \\[x\\](y) \\*\\*z\\*\\* |  |\n"


def test_only_the_columns_are_exported():
    rows = [{"name": "a", "n": 1, "secret": "s"}]
    assert all("secret" not in write(rows, COLUMNS) for write in (to_csv, to_json, to_markdown))
