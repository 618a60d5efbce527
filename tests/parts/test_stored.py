"""What is stored of a part, for those who read it without the page's script."""

from __future__ import annotations

import pytest

from chat.markdown.colours import Patience
from chat.parts.stored import cards_of, in_html, in_markdown, replace_text

TABLE = {"columns": ["na|me", "<b>"], "rows": [["a *b*\nc", None], [True, 1.5]], "total": 1200, "total_columns": 3}
PARTS = {
    "table": ({"name": "T", **TABLE}, "| a \\*b\\* c |  |", '<td dir="auto">a *b*\nc</td>'),
    "json": ({"value": {"x": ["```"]}}, '````json\n{\n  "x": [\n    "```"\n  ]\n}\n````', "```"),
    "diff": ({"text": "--- a\n+++ b\n+new"}, "```diff\n--- a\n+++ b\n+new\n```", "+new"),
    "code": ({"text": "SELECT 1", "language": "sql", "html": "<b>"}, "```sql\nSELECT 1\n```", ">SELECT</span>"),
    "hits": (
        {"hits": [{"title": "A [b]", "url": "https://a.example/x", "text": "it\nis <i>"}, {"url": "javascript:x"}]},
        "1. [A \\[b\\]](<https://a.example/x>): it is",
        '<a href="https://a.example/x" target="_blank" rel="noopener noreferrer nofollow">A [b]</a>',
    ),
    "html": ({"html": "<p>Dear <b>Ann</b></p><script>x</script>"}, "Dear Ann", "<p>Dear "),
    "image": ({"name": "f.png", "data": TABLE}, "**f.png** (2 / 1,200)", "<summary>f.png (2 / 1,200)</summary>"),
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_card_is_read_as_markdown_and_as_html_that_does_nothing(kind):
    fields, markdown, html = PARTS[kind]
    part = {"kind": kind, "name": "", "alt": "", **fields}
    assert cards_of([part]) == [part] and replace_text([part]) is (kind != "image")
    assert markdown in in_markdown(part)
    shown = in_html(part, Patience())
    assert html in shown and "<script" not in shown and "<i>" not in shown and 'href="javascript' not in shown


def test_a_hit_whose_title_looks_like_another_address_says_where_it_leads():
    part = {"kind": "hits", "name": "", "hits": [{"title": "bank.test", "url": "https://evil.test/x"}]}
    assert "1. [bank.test (evil.test)](<https://evil.test/x>)" in in_markdown(part).replace("\\", "")
    assert ">bank.test (evil.test)</a>" in in_html(part, Patience())


def test_a_table_says_how_much_of_it_is_not_there():
    told = in_markdown({"kind": "table", "name": "T", **TABLE})
    assert told.splitlines()[:4:2] == ["**T** (2 / 1,200)", "| na\\|me | \\<b\\> | … |"]
    assert "<th>&lt;b&gt;</th><th>…</th>" in in_html({"kind": "table", "name": "T", **TABLE}, Patience())


def test_a_text_and_a_file_are_no_cards():
    assert cards_of([{"kind": "text", "name": ""}, {"kind": "file", "name": "x"}]) == [] == cards_of(None)
    assert not replace_text(None) and not replace_text([{"kind": "image", "name": "x"}])
