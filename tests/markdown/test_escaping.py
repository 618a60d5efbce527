"""Texts as Markdown that any reader shows as these texts: typed ones, those of programs, and answers."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from chat.markdown.escaping import fenced, inert, plain
from chat.markdown.limits import MAX_CHARS
from tests.markdown.test_blocks import PAYLOADS

# Readers that run HTML and show pictures, unlike the page.
READERS = {"commonmark": MarkdownIt("commonmark", {"html": True}), "gfm": MarkdownIt("gfm-like", {"html": True})}
viewer = READERS["commonmark"]

# -- typed, and written by programs ------------------------------------------------------------------------------------

LINE_SAFE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=30)
MARKS = ["#", "-", "+", "=", "---", "1.", "1)", ">", "~~~", "```", "|", "[a](b)", "<b>", "&lt;", "$x$", "\\"]
TYPED = st.lists(st.one_of(LINE_SAFE, st.sampled_from(MARKS)))


def shown(markdown: str) -> str:
    """The text that a reader sees; fails if anything but plain paragraphs was made of it."""
    html = viewer.render(markdown)
    assert not re.search(r"<(?!/?p>|br />)", html), html
    text = re.sub(r"<[^>]+>", "", html)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, character)
    return text


@given(TYPED)
@example(["    four blanks"])
@example(["a", "==="])
@example(["&amp; &#65;"])
def test_what_a_user_typed_is_shown_as_it_was_typed(lines):
    typed = "\n".join(lines)

    assert shown(plain(typed)).split() == typed.split()


@given(st.text("`~ax\n", max_size=40))
def test_a_fenced_text_stays_in_its_block(text):
    (token,) = viewer.parse(fenced(text))

    assert token.content == text.rstrip() + "\n" or not text.strip()


# -- answers ----------------------------------------------------------------------------------------------------------


def assert_inert(text: str) -> None:
    """Fail if a reader of the exported answer finds HTML or a picture in it."""
    for name, reader in READERS.items():
        tokens = list(reader.parse(inert(text) + "\n\n## Next\n"))
        assert tokens[-2].content == "Next", (name, "the answer swallows what follows it")
        for token in tokens:
            for part in [token, *(token.children or [])]:
                assert part.type not in ("html_block", "html_inline", "image"), (name, part, inert(text))


FRAMES = [
    "{}",
    "> {}",
    "1. {}",
    "- a\n\n  {}",
    "text {} text",
    "**{}",
    "[{}](https://e.org)",
    "`{}",
    "``a` {}``",
    "| {} |",
]
FRAMES += [
    "| a |\n|---|\n| `x | {} | y` |",
    "`a\n\n{} `",
    "`a\n# b\n{} `",
    "\\`{}`",
    "a\n    {}",
    "[x]: y\n    {}",
    "    {}",
]
FRAMES += [
    "```\na\n```\n{}",
    "- ```\n{}\n```",
    "> ```\n{}",
    "~~~ x `\n~~~\n{}",
    "<https://a`b> {} `",
    "$$\n```\n$$\n```\n{}\n```",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("frame", FRAMES)
def test_hostile_text_is_text_for_whoever_reads_the_file(payload, frame):
    assert_inert(frame.replace("{}", payload))


PIECES = [
    "<b>",
    "<img src=x>",
    "![a](b)",
    "`",
    "``",
    "```",
    "~~~",
    "\n",
    "\n\n",
    "    ",
    "- ",
    "> ",
    "1. ",
    "\\",
    "a",
    "|",
    "|-|\n",
]
PIECES += [
    "[a]: b",
    "<!--",
    "-->",
    "<https://e.org",
    ">",
    "\t",
    "\r",
    "\r\n",
    "# ",
    "$$",
    "[",
    "](",
    ")",
    "*",
    "\u2028",
    "\0",
    "===",
]


@settings(deadline=None, max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("`\n\n<b>\n\n`")
@example("<https://a`> <b> `")
@example("- a\n\n      ```\n<b>")
@example("```\n\t```")
def test_whatever_an_answer_holds_is_text(text):
    assert_inert(text)


def test_without_the_escapes_the_list_would_be_live():
    live = [text for text in PAYLOADS if re.search("html_|image", str(viewer.parse(text)))]

    assert len(live) > 25


@pytest.mark.parametrize(
    "html", ["<script>x()</script>", "<img src=x onerror=x()>", "<!-- swallows", "<!DOCTYPE x>", "<?php", "</div>"]
)
def test_html_in_an_answer_is_shown_as_it_was_written(html):
    assert html.replace("<", "&lt;").replace(">", "&gt;") in viewer.render(inert(f"see {html}"))


def test_a_picture_becomes_a_link():
    assert viewer.render(inert("![of a cat](https://e.org/c.png)")) == (
        '<p>!<a href="https://e.org/c.png">of a cat</a></p>\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        "`a < b`, ``<b>``, 1 < 2, <https://example.org>\n\n```html\n<b>\n```\nand `<i>`",
        "1. do\n   ```sh\n   ls <dir>\n   ```\n2. `cat x | wc`",
        "> ```\n> <b>\n> ```\n\n| a | `b` |\n|---|---|\n| 1 | 2 |",
        "**`<div>`** (`<b>`) and `a|b`: ``see`` https://e.org/`x`",
        "# Title\n\nsome **bold** \\* text",
    ],
)
def test_the_form_of_an_answer_stays(text):
    assert inert(text) == text


@pytest.mark.parametrize("text", ["```py\nx = 1", "~~~~\nx\n~~~", "a\n\n```\nb\n``", "```"])
def test_a_block_of_code_that_was_cut_is_closed(text):
    assert_inert(text)
    assert inert(text).startswith(text) and inert(text) != text


def test_what_is_longer_than_the_page_shows_as_markdown_is_shown_as_it_is():
    text = "a <b>\n" * (MAX_CHARS // 4)

    *_, last = viewer.parse(inert(text))

    assert last.type == "fence" and last.content.endswith("a <b>\n")
