"""Markdown: limits, the cache, and that a stream ends where a whole render ends, for any text and any pieces."""

from __future__ import annotations

import operator
import random
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown import limits
from chat.markdown.blocks import normalised, parse
from chat.markdown.colours import Colours, Patience
from chat.markdown.kept import Kept
from chat.markdown.stream import (
    PATCH_CHARS,
    MarkdownStream,
    Patch,
    _blocks,
    _cache,
    blocks,
    flush_interval,
    render,
    render_within,
)
from tests.outline import Outline, assert_harmless

ANSWER = """# Title

Some **bold**, *soft* and `code`, a [link](https://example.org) and https://example.com too.

1. first

2. second

   more of second

- [ ] open
- [x] done
**lazy** line

| a | b |
|:--|--:|
| 1 | **2** |
#1 is a row

> quote
-5 degrees

```python
def f(x):

    return x  # `not` a fence
```

$$
\\int_0^1 x

\\,dx
$$

As \\(a_1\\) shows:
\\[
y = 1
\\]

~~~sh
$$
~~~

Inline $a^2+b^2$ costs $5.
#tag, then
***both*** and
```inline``` end 🙂
"""

FRAGMENTS = [
    *("a", "text\n", "\n", "\n\n", " ", "- ", "1. ", "2. ", "* ", "> ", "#", "# ", "***", "---\n", "===", "- [x] "),
    *("`", "``", "```", "```py\n", "\n```\n", "~~~\n", "~~~~", "| a | b |\n", "|---|---|\n", "|", "    ", "\t"),
    *("$$", "$x$", "\n$$\n", "$", "\\(", "\\)", "\\[", "\\]", "\n\\[\n", "\n\\]\n", "\\", "\\\n"),
    *("**", "*", "~~", "_", "[x](", "![p](", "https://e.org", ")", "[r]", "\n[r]: https://e.org\n", "'t\n", "x@y.org"),
    *("\r\n", "\r", "\u2028", "\f", "\x00", "\ud800", "\xa0", "🙂", "&amp;", "<b>"),
    *("<br>", "<sub>", "</sub>", "<kbd>x</kbd>", "<details>", "<summary>", "</summary>", "</details>"),
    *("[^1]", "[^n]", "\n[^1]: ", "\n[^n]: ", "> [!NOTE]\n", "\\begin{align}", "\n\\end{align}\n", "内"),
    *("**「", "」**", "。", "\n</details>\n", "www.e.org", "<", "</", "[^"),
]


# -- what a page does -------------------------------------------------------------------------------------------------


class Page:
    """A client: it applies patches as the protocol says, counting as JavaScript does."""

    def __init__(self, snapshot: list[str] | None = None) -> None:
        self.blocks = list(snapshot or [])

    def apply(self, patches: list[Patch]) -> None:
        for patch in patches:
            assert patch.block <= len(self.blocks), "block numbers grow by one"
            if patch.block == len(self.blocks):
                assert patch.keep is None, "there is nothing to keep of a new block"
                self.blocks.append("")
            units = self.blocks[patch.block].encode("utf-16-le")
            assert (patch.keep or 0) * 2 <= len(units)
            self.blocks[patch.block] = units[: 2 * (patch.keep or 0)].decode("utf-16-le") + patch.html


def rendered_afresh(text: str) -> str:
    _cache.clear()
    return render(text)


def pieces(text: str, *, longest: int, seed: int) -> list[str]:
    chance, at, cut = random.Random(seed), 0, []
    while at < len(text):
        size = chance.randint(1, longest)
        cut.append(text[at : at + size])
        at += size
    return cut


def with_colours(stream: MarkdownStream) -> list[Patch]:
    """Feed nothing until the colours of closed code are there, as the server does."""
    patches: list[Patch] = []
    deadline = time.monotonic() + 30
    while stream.has_late:
        assert time.monotonic() < deadline, "the colours do not come"
        time.sleep(0.001)
        patches += stream.feed("")
    return patches


def streamed(deltas: list[str], *, join_after: int | None = None) -> str:
    """Feed the deltas to a stream and give its patches to a page (that joins late); return the page's HTML."""
    _cache.clear()
    stream, page = MarkdownStream(), Page()
    for number, delta in enumerate(deltas):
        page.apply(stream.feed(delta))
        if number == join_after:
            page = Page(stream.blocks)
        assert page.blocks == stream.blocks
    page.apply(with_colours(stream))
    render("".join(deltas))  # its record, for the colours of code that its end closes
    _cache.clear()
    page.apply(stream.end())
    assert page.blocks == stream.blocks
    return "".join(page.blocks)


# -- texts that break parsers -----------------------------------------------------------------------------------------

BOMBS = {
    "quotes": "> " * 10_000,
    "brackets": "[" * 50_000,
    "stars": "*" * 20_000,
    "braces": "{" * 50_000,
    "words": "word " * 200_000,
    "letters": "a" * 1_000_000,
    "lists in lists": "- " * 10_000,
    "deep list": "".join(" " * 2 * depth + "- a\n" for depth in range(200)),
    "half links": "[a](" * 20_000,
    "pictures": "![" * 20_000,
    "schemes": "a://b" * 20_000,
    "addresses": "a.b@a.b " * 20_000,
    "formulas": "$x$ " * 5_000,
    "open formulas": "$$ a\n\n" * 20_000,
    "open brackets": "\\[ \\( " * 20_000,
    "wide table": "|a" * 2_000 + "|\n" + "|-" * 2_000 + "|\n" + "|a|\n" * 50,
    "heads of tables": "a\n|-\n" * 40_000,
    "heads in a quotation": "> `a|b`\n> |-\n" * 15_000,
    "paragraphs": "\n\n$+++**" * 25_000,
    "definitions": "[a]: b\n" * 10_000,
    "ticks": " ".join("`" * length for length in range(400)),
    "fences": "```\n" * 20_000,
    "entities": "&" * 50_000,
    "backslashes": "\\" * 50_000,
    "spaces": "a" + " " * 100_000 + "b",
    "empty lines": "\n" * 300_000,
    "emphasis": "*a **b " * 10_000,
    "nul": "\x00" * 10_000,
    "surrogates": "\ud83d" * 10_000,
    "long line of code": "```python\n" + "'" * 100_000 + "\n```",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_rendered_in_bounded_time(name):
    started = time.process_time()
    assert_harmless(rendered_afresh(BOMBS[name]))
    assert time.process_time() - started < 10  # minutes, without the limits; a few tenths of a second here


@pytest.mark.parametrize("name", BOMBS)
def test_of_a_bomb_few_objects_are_made_at_a_time(name):
    """Python looks through all that there are with its lock kept: of a million for seconds."""
    document = parse(limits.split(normalised(BOMBS[name]))[0])
    assert sum(len(block.tokens) for block in document.blocks) < 70_000


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_streamed_like_any_text(name):
    text = BOMBS[name]
    size = len(text) // 5 + 1
    deltas = [text[at : at + size] for at in range(0, len(text), size)]
    assert streamed(deltas) == rendered_afresh(text)


# -- blocks, limits and the cache -------------------------------------------------------------------------------------


def test_the_blocks_of_a_message_are_one_element_each():
    for block in blocks(ANSWER, Patience()):
        first = Outline(block).tags[0]
        assert block.startswith(f"<{first}")
        assert block.endswith((f"</{first}>", "<hr>"))
    assert "".join(blocks(ANSWER, Patience())) == render(ANSWER)


def test_a_message_is_cut_between_blocks():
    whole = render("first é\n\nsecond\n\nthird")
    cut = whole.index("<p", 1), whole.rindex("<p")
    assert render_within("first é\n\nsecond\n\nthird", len(whole.encode()), Patience()) == (whole, False)
    assert render_within("first é\n\nsecond\n\nthird", len(whole.encode()) - 1, Patience()) == (whole[: cut[1]], True)
    assert render_within("first é\n\nsecond\n\nthird", len(whole[: cut[0]].encode()), Patience()) == (
        whole[: cut[0]],
        True,
    )
    assert render_within("first é\n\nsecond\n\nthird", 3, Patience()) == ("", True)
    assert render_within("", 0, Patience()) == ("", False)


def test_a_text_is_rendered_once():
    first = blocks(ANSWER, Patience())
    assert blocks(ANSWER.replace("\n", "\r\n"), Patience()) is first


def test_the_record_of_a_streamed_message_is_not_rendered_again():
    stream = MarkdownStream()
    stream.feed(ANSWER + "once")
    stream.end()
    record = blocks(ANSWER + "once", Patience())
    assert list(record) == stream.blocks
    assert all(map(operator.is_, record, stream.blocks)), "the same texts, not equal ones"


def test_what_is_kept_forgets_what_was_not_used_for_longest():
    cache: Kept[str, str] = Kept(500, weight=lambda key, value: len(value))
    cache.put("a", "x" * 200)
    cache.put("b", "x" * 200)
    cache.get("a")
    cache.put("c", "x" * 200)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("x" * 200, None, "x" * 200)
    cache.put("too large", "x" * 600)
    assert cache.get("too large") is None
    assert cache.put("small", "x" * 500) == cache.get("small")


def test_threads_render_at_the_same_time():
    texts = [f"{number} https://e{number}.org/ **b** $x_{number}$ a{number}@e.org\n\n" + ANSWER for number in range(12)]
    expected = [rendered_afresh(text) for text in texts]
    _cache.clear()
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(3):
            if "".join(_blocks(texts[number], {}, Colours(Patience(30)))) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


@pytest.mark.parametrize(
    ("last", "load", "interval"), [(0, 0, 0.08), (0.02, 0, 0.16), (0.001, 0.12, 0.12), (0.1, 0.12, 0.8)]
)
def test_the_interval_grows_with_the_cost_of_a_render_and_the_load(last, load, interval):
    assert flush_interval(last, load) == pytest.approx(interval)


def test_a_message_has_a_budget_and_is_shown_as_it_is_beyond_it(monkeypatch):
    monkeypatch.setattr("chat.markdown.stream.BUDGET_SECONDS", 0.2)
    text = ("[" * 9_900 + "\n\n") * 19
    began = time.process_time()

    stream, page = MarkdownStream(), Page()
    for at in range(0, len(text), 500):
        page.apply(stream.feed(text[at : at + 500]))
    shown = Outline("".join(page.blocks)).text
    page.apply(stream.end())

    assert time.process_time() - began < 5  # half a minute, without
    assert shown.count("[") == text.count("[") == Outline("".join(page.blocks)).text.count("[")
    assert page.blocks == stream.blocks


# -- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 2, 3, 7, 40, 200, 5000])
def test_a_stream_ends_with_what_one_render_gives(longest):
    for seed in range(3):
        assert streamed(pieces(ANSWER, longest=longest, seed=seed)) == rendered_afresh(ANSWER)


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join), st.integers(0, 1000), st.integers(0, 60))
def test_nasty_fragments_in_small_pieces_end_with_what_one_render_gives(text, seed, join_after):
    assert streamed(pieces(text, longest=4, seed=seed), join_after=join_after) == rendered_afresh(text)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join), st.integers(0, 1000))
def test_every_state_of_a_stream_is_well_formed_and_harmless(text, seed):
    stream, page = MarkdownStream(), Page()
    for delta in pieces(text, longest=4, seed=seed):
        for patch in stream.feed(delta):
            page.apply([patch])
            assert_harmless("".join(page.blocks))


HALF_LINES = [
    *("1. a\n\n2. b\n", "a\n\n#tag\n", "> a\n***bold***\n", "> a\n-5 degrees\n", "- a\n\n  b\n- c\n", "a\n===\n"),
    *("a\n| b |\n|---|\n", "a\n\n```py\nb\n\n\n```\n", "   ```\n   a\n   ```\nb", "> ```\n> a\n\nb", "\n\n```\na"),
    *("```\na\n``\n```\nb", "~~~\na\n```\n~~~~\nb", "- ```\n  a\n  ```\n\nb", "```\n\xa0&nbsp;\n", "    a\n\n    b\n"),
    *("$$\na\n\nb\n$$\nc\n", "a\n$$\nb\n\nc\n$$\n", "- a\n$$\nb\n\nc\n$$\n", "\\[\na\n\nb\n\\]\n", "a\n\n\\[ b"),
    *("<details><summary>a</summary>\n\nb\n\n```\n</details>\n```\n</details>\nc", "<details>\n\na\n\nb\n"),
    *("a[^1]\n\nb[^n]\n\n[^1]: c\n[^n]: d\n    e\n\n    f\n\ng", "> [!TIP] x\n> y\n\nz"),
    *("\\begin{align}\na\n\nb\n\\end{align}\nc", "\\begin{align}\na\n\nb"),
    *("H<sub>2</sub>O<br>**「a」**内\n\nb", "> [!NOTE]\n>\n> a", "x</sub>\n\n<sub>a</sub>"),
    *("$$a\n\nb\n\nc", "[r]\n\n[r]: https://e.org\n't\nu'\n", "a\r\n\r\nb\r"),
]


@pytest.mark.parametrize("text", HALF_LINES)
def test_a_stream_is_not_misled_by_half_a_line(text):
    assert streamed(list(text)) == rendered_afresh(text)


def test_a_closed_block_is_left_alone():
    stream = MarkdownStream()
    stream.feed("one\n\n```py\nx = 1\n```\n\n- two\n\nthree\n")
    with_colours(stream)
    patches = stream.feed("\nfour") + stream.feed(" five\n\nsix\n") + stream.feed("\nseven")
    assert {patch.block for patch in patches} == {3, 4, 5}


def test_every_block_but_the_last_is_closed_while_the_text_arrives():
    stream = MarkdownStream()
    for delta in pieces(ANSWER, longest=4, seed=0):
        stream.feed(delta)
    with_colours(stream)
    assert list(blocks(ANSWER, Patience())[:-1]) == stream.blocks[:-1]


def test_the_end_of_an_ordinary_message_changes_only_its_last_block():
    stream = MarkdownStream()
    for delta in pieces(ANSWER, longest=40, seed=0):
        stream.feed(delta)
    with_colours(stream)
    assert {patch.block for patch in stream.end()} <= {len(stream.blocks) - 1}


def test_only_the_new_text_of_an_open_fence_is_sent():
    stream, page = MarkdownStream(), Page()
    page.apply(stream.feed("```python\nfirst = '🙂🙂'\n"))
    begun = page.blocks[0].removesuffix("</code></pre></figure>")
    patches = stream.feed("y = 2 < 3\n")
    page.apply(patches)
    assert patches == [Patch(0, "y = 2 &lt; 3\n</code></pre></figure>", keep=len(begun) + 2)]  # two pairs of surrogates
    assert page.blocks[0].endswith("<code>first = '🙂🙂'\ny = 2 &lt; 3\n</code></pre></figure>")


def test_only_the_new_text_of_a_long_paragraph_is_sent_and_units_are_those_of_javascript():
    text = "🙂" * 100
    stream, page = MarkdownStream(), Page()
    page.apply(stream.feed(text))
    (patch,) = stream.feed("🙃")
    assert patch == Patch(0, "🙃</p>", keep=len('<p dir="auto">') + 2 * 100)
    page.apply([patch])
    assert page.blocks == [f'<p dir="auto">{text}🙃</p>']


def test_a_line_that_may_close_a_fence_is_held_back():
    stream = MarkdownStream()
    stream.feed("```\ncode\n")
    assert stream.feed("``") == []
    (patch,) = stream.feed("x\n")
    assert "``x" in patch.html


def test_a_fence_gets_its_colours_after_its_closing_line():
    stream, page = MarkdownStream(), Page()
    page.apply(stream.feed("```python\nof_this_test = 1\n"))  # colours are kept: another text may have had them
    assert not stream.has_late
    page.apply(stream.feed("```\nand\n\nmore"))
    assert stream.has_late and "<span" not in page.blocks[0]
    patches = with_colours(stream)
    page.apply(patches)
    assert '<span class="n">of_this_test</span>' in page.blocks[0]
    assert [patch.block for patch in patches] == [0]
    assert page.blocks == stream.blocks


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("some **bold", "some bold"),
        ("some **", "some"),
        ("some *soft", "some soft"),
        ("some ***both", "some both"),
        ("a `code", "a code"),
        ("a ``co`de", "a co`de"),
        ("a ~~gone", "a gone"),
        ("a ~~gone~", "a gone"),
        ("a **bold*", "a bold"),
        ("a [lab", "a lab"),
        ("a [label](https://e", "a label"),
        ("2 * 3", "2 * 3"),
        ("**a** b", "a b"),
        ("text\n\n#", "text"),
        ("text\n\n- ", "text"),
        ("text\n\n```py", "text"),
        ("text\n\n1", "text"),
        ("text\n\n| a | b |", "text"),
        ("text\n\n| a | b |\n|--", "text"),
        ("- *x* y\n- **z", "\nx y\nz\n"),
        ("as \\(a_1", "as \\(a_1"),
        ("so\n\n$$\na_1 *b\n\nc*", "so$$\na_1 *b\n\nc*"),
    ],
)
def test_open_marks_are_closed_for_display(text, shown):
    stream = MarkdownStream()
    stream.feed(text)
    assert Outline("".join(stream.blocks)).text.rstrip(" ") == shown


def test_an_open_formula_is_shown_as_code_until_it_ends():
    stream = MarkdownStream()
    stream.feed("so\n\n$$\na_1\n")
    assert (
        stream.blocks[1] == '<div class="math" tabindex="0" dir="ltr"><code class="math" dir="ltr">$$\na_1</code></div>'
    )
    stream.feed("$$\n")
    assert "<msub>" in stream.blocks[1]


def test_a_formula_that_never_ends_holds_no_message_up():
    stream = MarkdownStream()
    for _ in range(200):
        stream.feed("$$ is the process id.\n\nAnother paragraph of text.\n\n")
    assert len(stream.blocks) > 300


def test_a_link_that_is_defined_at_the_end_is_made_by_the_end():
    stream, page = MarkdownStream(), Page()
    page.apply(stream.feed("see [this][r]\n\nmore\n"))
    page.apply(stream.feed("\n[r]: https://e.org\n"))
    assert "<a" not in page.blocks[0]
    page.apply(stream.end())
    assert '<a href="https://e.org"' in page.blocks[0]
    assert "".join(page.blocks) == render("see [this][r]\n\nmore\n\n[r]: https://e.org\n")


def test_no_patch_is_too_long_for_a_frame():
    text = "```python\n" + "x = 'äöü🙂' < \"y\"\n" * 900 + "```\n"
    stream, page = MarkdownStream(), Page()
    patches = stream.feed(text) + with_colours(stream) + stream.end()
    assert len(patches) > 1
    assert all(len(patch.html) <= PATCH_CHARS for patch in patches)
    page.apply(patches)
    assert "".join(page.blocks) == render(text)


def test_an_empty_message_has_no_blocks():
    stream = MarkdownStream()
    assert stream.feed("") == stream.feed("\n\n  \r") == stream.end() == []
    assert stream.blocks == []
