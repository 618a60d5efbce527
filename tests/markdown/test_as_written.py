"""Markdown as models write it: GitHub's extensions, a little HTML, and languages that part no words."""

from __future__ import annotations

import re

import pytest

from chat.markdown.stream import MarkdownStream, render
from tests.outline import Outline, assert_harmless


def markup(text: str) -> str:
    """The HTML without what is the same everywhere."""
    assert_harmless(render(text))
    return re.sub(r' dir="auto"| target="_blank" rel="[^"]*"|\n', "", render(text))


def shown(text: str) -> str:
    """What a stream shows of a text that is not at its end."""
    stream = MarkdownStream()
    stream.feed(text)
    return re.sub(r' dir="auto"|\n', "", "".join(stream.blocks))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one<br>two<br/>three<BR />four", "<p>one<br>two<br>three<br>four</p>"),
        ("H<sub>2</sub>O, x<sup>2</sup>", "<p>H<sub>2</sub>O, x<sup>2</sup></p>"),
        ("<kbd>Ctrl</kbd>+**<kbd>C</kbd>**", "<p><kbd>Ctrl</kbd>+<strong><kbd>C</kbd></strong></p>"),
        ("<b>a</b> <i>b</i> <u>c</u> <del>d</del>", "<p><strong>a</strong> <em>b</em> <u>c</u> <s>d</s></p>"),
        ("<mark>*a* `b`</mark>", '<p><mark><em>a</em> <code dir="ltr">b</code></mark></p>'),
        ("*a<sub>b*</sub>", "<p>*a<sub>b*</sub></p>"),
        ("- <kbd>a</kbd>", "<ul><li><kbd>a</kbd></li></ul>"),
        ("<sub>[a](https://e.org)</sub>", '<p><sub><a href="https://e.org">a</a></sub></p>'),
    ],
)
def test_some_tags_in_a_line_mean_what_they_say(text, expected):
    assert markup(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("a <sub>b", "a</sub>", '<sub onclick="x">a</sub>', "<script>a</script>", "<sub\n>a</sub>", "<div>a</div>"),
        *("<kbd>a\n\nb</kbd>", "\\<br>", "<img src=x>", "<sup><sup", "<summary>a</summary>", "x</details>"),
    ],
)
def test_other_tags_and_those_without_an_end_are_text(text):
    assert not {"sub", "sup", "kbd", "script", "img", "summary", "details"} & set(Outline(render(text)).tags)
    assert Outline(render(text)).text.count("<") >= 1


def test_a_tag_in_code_is_code():
    assert markup("`<br>` and `<sub>x</sub>`").count("<code") == 2
    assert "br" not in Outline(render("```\n<br>\n```")).tags


def test_a_cell_has_lines():
    assert "<td>one<br>two</td>" in markup("| a | b |\n|---|---|\n| one<br>two | three |")


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("| `x || y` | or |", ["x || y", "or"]),
        ("| `a | b` | `c \\| d` |", ["a | b", "c | d"]),
        ("| a` | `b |", ["a`", "`b"]),
        ("| ` | b` |", ["`", "b`"]),
    ],
)
def test_a_stroke_in_the_code_of_a_cell_parts_no_cells(row, cells):
    html = render(f"| op | means |\n|---|---|\n{row}\n\n`c | d` | e")
    assert [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", html)] == cells
    assert "\ufdd0" not in html and "c | d" in html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("##Second", "<h4>Second</h4>"),
        ("a\n###**Third** ##\nb", "<p>a</p><h5><strong>Third</strong></h5><p>b</p>"),
        ("#tag and #1", "<p>#tag and #1</p>"),
        ("#######seven", "<p>#######seven</p>"),
        ("    ##code", None),
    ],
)
def test_a_heading_may_lack_its_space_from_two_marks_on(text, expected):
    assert markup(text) == expected if expected else "<h" not in render(text)


def test_a_thousand_tags_in_each_other_are_no_deeper_than_anything_else():
    assert_harmless(render("<sub>" * 1000 + "x" + "</sub>" * 1000))
    assert_harmless(render("<details>\n" * 200 + "x\n" + "</details>\n" * 200))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<details><summary>More **of** it</summary>\n\n- a\n\n# b\n</details>\n\nc",
            "<details><summary>More <strong>of</strong> it</summary><ul><li>a</li></ul><h3>b</h3></details><p>c</p>",
        ),
        ("<details>\n<summary>\na\n</summary>\nb</details>", "<details><summary>a</summary><p>b</p></details>"),
        ("<details><summary>a</summary>b</details>", "<details><summary>a</summary><p>b</p></details>"),
        ("<details>\na\n</details>\nb", "<details><p>a</p></details><p>b</p>"),
        (
            "<details>\n<details>\na\n</details>\n\nb\n</details>\nc",
            "<details><details><p>a</p></details><p>b</p></details><p>c</p>",
        ),
        ("a\n<details>\nb\n</details>", "<p>a</p><details><p>b</p></details>"),
        ("<details open>\na\n\nb", '<details open=""><p>a</p><p>b</p></details>'),
    ],
)
def test_details_hold_blocks(text, expected):
    assert markup(text) == expected


def test_the_end_of_details_in_code_is_code():
    outline = Outline(render("<details>\n\n```\n</details>\n```\n\na\n</details>\n\nb"))
    assert outline.tags == ["details", "figure", "figcaption", "pre", "code", "p", "p"]


def test_details_are_open_while_they_are_written():
    assert shown("<details><summary>Half of") == '<details open=""><summary>Half of</summary></details>'
    assert shown("<details>\n<summary>a</summary>\n\n**b") == (
        '<details open=""><summary>a</summary><p><strong>b</strong></p></details>'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H<sub>2", "<p>H<sub>2</sub></p>"),
        ("H<sub>2</su", "<p>H<sub>2</sub></p>"),
        ("a <k", "<p>a</p>"),
        ("**a <kbd>b", "<p><strong>a <kbd>b</kbd></strong></p>"),
        ("see [^1", "<p>see</p>"),
        ("see[^1]", '<p>see<sup class="footnote-mark">1</sup></p>'),
        ("a\n\n> [!WAR", "<p>a</p>"),
        ("a\n\n\\begin{al", "<p>a</p>"),
    ],
)
def test_half_of_it_is_not_shown_as_what_it_is_not(text, expected):
    assert shown(text) == expected


def test_footnotes_stand_where_they_are_written():
    assert markup("a[^1], b[^note]\n\n[^1]: one *two*\n[^note]: three\n\n    four\n\nfive") == (
        '<p>a<sup class="footnote-mark">1</sup>, b<sup class="footnote-mark">note</sup></p>'
        '<div class="footnote"><sup>1</sup><p>one <em>two</em></p></div>'
        '<div class="footnote"><sup>note</sup><p>three</p><p>four</p></div><p>five</p>'
    )


@pytest.mark.parametrize("text", ["[^a-z] is a class", "a[^x]", "`[^1]`", "    [^1]: a", "[^ ]", "[^]"])
def test_what_looks_like_a_footnote_is_text(text):
    assert not {"sup", "div"} & set(Outline(render(text)).tags)


@pytest.mark.parametrize("kind", ["NOTE", "tip", "Important", "WARNING", "CAUTION"])
def test_a_callout_says_what_it_is(kind):
    assert markup(f"> [!{kind}]\n> Take *care*\n>\n> - a") == (
        f'<blockquote class="callout callout-{kind.lower()}"><p class="callout-title">{kind.capitalize()}</p>'
        "<p>Take <em>care</em></p><ul><li>a</li></ul></blockquote>"
    )


def test_a_callout_may_have_a_title_of_its_own():
    assert markup("> [!NOTE] Mind `this`\n> a") == (
        '<blockquote class="callout callout-note"><p class="callout-title">Mind <code dir="ltr">this</code></p>'
        "<p>a</p></blockquote>"
    )


@pytest.mark.parametrize("text", ["> [!OTHER]\n> a", "> a\n> [!NOTE]", "[!NOTE]\na", "> `[!NOTE]`"])
def test_other_quotations_are_quotations(text):
    assert "callout" not in render(text)


def test_a_line_of_its_own_stays_one():
    assert markup("a\nb  \nc") == "<p>a<br>b<br>c</p>"


@pytest.mark.parametrize(
    ("text", "bold"),
    [
        ("这是**「重点」**内容", "「重点」"),
        ("**该星号不会被识别。**这是因为", "该星号不会被识别。"),
        ("**스크립트(script)**는 좋다", "스크립트(script)"),
        ("これは**「強調」**です。", "「強調」"),
        ("使用**`code`**函数", "code"),
        ("价格为**$5**元", "$5"),
        ("**“引号”**之后", "“引号”"),
    ],
)
def test_bold_ends_beside_chinese_japanese_and_korean(text, bold):
    assert f"<strong>{bold}</strong>" in re.sub("</?code[^>]*>", "", markup(text))


def test_other_emphasis_beside_them():
    assert markup("~~删除。~~这是*「斜」*体") == "<p><s>删除。</s>这是<em>「斜」</em>体</p>"
    assert markup("2 * 3 * 4, a_b_c, **a.**b") == "<p>2 * 3 * 4, a_b_c, **a.**b</p>"  # as CommonMark says


@pytest.mark.parametrize("text", ["因为$x=1$所以$y=2$。", "行列$A$は", "값은$x$이다"])
def test_formulas_stand_beside_them(text):
    assert Outline(render(text)).tags.count("math") == text.count("$") // 2


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("请看https://example.com/页面。谢谢", "https://example.com/页面", "。谢谢"),
        ("见 https://example.com/docs（说明）了解更多", "https://example.com/docs", "（说明）了解更多"),
        ("https://e.org/a、https://e.org/a", "https://e.org/a", "、"),
        ("（www.e.org/x）", "www.e.org/x", "）"),
        ("a@e.org。", "a@e.org", "。"),
    ],
)
def test_an_address_ends_before_their_punctuation(text, address, rest):
    assert f">{address}</a>{rest}" in render(text)


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("see www.example.com.", "http://www.example.com"),
        ("WWW.example.com/a?b=c", "http://WWW.example.com/a?b=c"),
        ("https://www.example.com", "https://www.example.com"),
    ],
)
def test_www_is_an_address(text, href):
    assert [value for _, name, value in Outline(render(text)).attributes if name == "href"] == [href]


@pytest.mark.parametrize("text", ["main.py", "README.md", "www.", "www.x", "xwww.e.org", "example.com"])
def test_other_names_with_dots_are_text(text):
    assert "a" not in Outline(render(text)).tags


@pytest.mark.parametrize(
    "environment", ["align", "align*", "equation", "gather", "aligned", "cases", "pmatrix", "multline", "split"]
)
def test_an_environment_of_latex_needs_no_dollars(environment):
    outline = Outline(render(f"a\n\\begin{{{environment}}}\nx &= 1 \\\\\ny &= 2\n\\end{{{environment}}}\nb"))
    assert outline.tags[:2] == ["p", "div"]
    assert "math" in outline.tags
    assert "\\" not in outline.text


@pytest.mark.parametrize("text", ["\\begin{document}\na\n\\end{document}", "`\\begin{align}`", "\\begin{align} x"])
def test_other_environments_are_text(text):
    assert "math" not in Outline(render(text)).tags


@pytest.mark.parametrize("source", ["\\ce{H2O}", "\\SI{5}{\\metre}", "\\foo", "x + \\mycommand{y}", "\\qty(x)"])
def test_a_command_that_is_not_known_is_shown_as_code(source):
    outline = Outline(render(f"${source}$ and\n\n$${source}$$"))
    assert outline.tags.count("code") == 2
    assert outline.text.count(source) == 2


@pytest.mark.parametrize(
    "source", ["\\alpha\\le\\infty", "\\text{a \\b}", "\\operatorname{rank}A", "\\boxed{x}", "\\%"]
)
def test_known_commands_are_formulas(source):
    assert "math" in Outline(render(f"${source}$")).tags


def test_mermaid_is_code():
    assert markup("```mermaid\ngraph TD\n```").startswith('<figure class="code" dir="ltr"><figcaption>mermaid')


def test_tasks_in_every_list():
    assert Outline(render("* [X] a\n  1. [ ] b\n     - [x] c")).tags.count("input") == 3
