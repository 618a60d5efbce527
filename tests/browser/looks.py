"""In what a page may be looked at, and what is checked there: accessible, and nothing sticks out.

LOOKS=folder python -m pytest tests/browser   # takes a picture of each state in each look
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Frame, Page, expect

from tests.browser.states import STATES, State

PICTURES = os.environ.get("LOOKS")
PLAIN = {"color_scheme": "light", "forced_colors": "none", "reduced_motion": "no-preference"}
# Media, width, height, direction, size of the text. 320 x 180 is a window of 1280 x 720 at 400 %.
LOOKS: dict[str, tuple[dict[str, Any], int, int, str, str]] = {
    "light": ({}, 1280, 720, "ltr", ""),
    "dark on a phone": ({"color_scheme": "dark"}, 390, 720, "ltr", ""),
    "narrow, from right to left": ({}, 320, 720, "rtl", ""),
    "forced colours, no motion": ({"forced_colors": "active", "reduced_motion": "reduce"}, 1280, 720, "ltr", ""),
    "text at 200 %": ({}, 1280, 720, "ltr", "200%"),
    "dark at 400 %": ({"color_scheme": "dark"}, 320, 180, "ltr", ""),
}
NARROW_PX = 700  # below, the list of conversations is in a drawer

# Headings are the model's, and it may skip a level.
ALL_RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"heading-order": {"enabled": False}, "target-size": {"enabled": True}},
}
# What a look may break that another one with the same elements cannot. Larger letters need less contrast, not more;
# forced colours are the user's own, and axe takes the page's for them.
RULES_OF_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"]}
RULES_OF_ROOM = {"runOnly": ["scrollable-region-focusable", "target-size"]}
RULES = {
    "light": ALL_RULES,
    "dark on a phone": RULES_OF_COLOUR,
    "narrow, from right to left": ALL_RULES,
    "forced colours, no motion": RULES_OF_ROOM,
    "text at 200 %": RULES_OF_ROOM,
    "dark at 400 %": RULES_OF_ROOM,
}
CHEAP = {"resultTypes": ["violations"], "preload": False, "iframes": False}  # frames are pages of their own

# Half of a colour would be seen. What never ends, such as a caret, is not waited for.
WEAR = """async ([dir, text]) => {
    document.documentElement.dir = dir;
    document.documentElement.style.fontSize = text;
    const isMoving = ({ playState, effect }) =>
        playState === "running" && effect.getComputedTiming().endTime !== Infinity;
    do await new Promise(requestAnimationFrame); while (document.getAnimations().some(isMoving));
}"""
# What is outside an open dialog is inert.
CHECK = """async ([options, places, part]) => {
    const dialog = Array.from(document.querySelectorAll("dialog:modal")).at(-1);
    const { violations } = await axe.run(part || (dialog ?? document), options);
    const faults = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) =>
        [html.slice(0, 200), ...any.map(({ message }) => message)].join(" ")).join(" | ")}`);
    for (const place of places)
        if (!Array.from(document.querySelectorAll(place)).some((element) => element.getClientRects().length))
            faults.push(`${place} is not seen`);
    const { scrollWidth } = document.documentElement;
    if (scrollWidth > innerWidth) faults.push(`the page is ${scrollWidth} px wide, its window ${innerWidth}`);
    const dock = document.querySelector("#dock")?.getBoundingClientRect();
    if (dock && (dock.top < -1 || dock.bottom > innerHeight + 1)) faults.push("the field is outside of the window");
    for (const cover of document.querySelectorAll("dialog[open], :popover-open")) {
        const { left, top, right, bottom } = cover.getBoundingClientRect();
        if (left < -1 || top < -1 || right > innerWidth + 1 || bottom > innerHeight + 1)
            faults.push(`#${cover.id}.${cover.className} reaches from ${left}, ${top} to ${right}, ${bottom}`);
    }
    for (const element of document.querySelectorAll(":is(.main, dialog[open], :popover-open) *")) {
        const scrolls = element.closest("pre, .table, .math, .hidden, .card-args, .results");
        if (scrolls || !element.getClientRects().length) continue;
        const { left, right } = element.getBoundingClientRect();
        const around = element.closest(".main, dialog, [popover]").getBoundingClientRect();
        if (left < around.left - 1 || right > Math.min(innerWidth, around.right) + 1)
            faults.push(`sticks out: ${element.outerHTML.slice(0, 200)}`);
    }
    return faults;
}"""


def put_on(page: Page, name: str, within: Page | Frame) -> None:
    """Give the page this look, and wait until it has it."""
    media, width, height, direction, text = LOOKS[name]
    page.emulate_media(**PLAIN | media)
    page.set_viewport_size({"width": width, "height": height})
    within.evaluate(WEAR, [direction, text])


def check(page: Page, state: str) -> None:
    """Check that the page breaks no rule of accessibility as it is now, and that nothing sticks out at its sides."""
    page.evaluate(WEAR, [page.locator("html").get_attribute("dir"), ""])
    _check(page, state, ALL_RULES, State(()))


def _check(within: Page | Frame, state: str, rules: dict[str, Any], seen: State) -> None:
    if not within.evaluate("() => 'axe' in window"):
        within.evaluate(AXE_SCRIPT)
    faults = within.evaluate(CHECK, [rules | CHEAP, list(seen.places), seen.part])
    assert not faults, "\n".join([state, *faults])


def look_at(page: Page, state: str, frame: Frame | None = None) -> None:
    """Check a state of the page, one of `STATES`, in every look in which it can be met. It ends in the first one."""
    within = frame or page
    seen = STATES[state]
    for place in seen.places:
        expect(within.locator(f"{place} >> visible=true").first).to_be_attached()
    for name in reversed(LOOKS):
        width = "narrow" if LOOKS[name][1] < NARROW_PX else "wide"
        if seen.width not in ("", width):
            continue
        put_on(page, name, within)
        if PICTURES:
            page.screenshot(path=Path(PICTURES, re.sub(r"\W+", "-", f"{state} {name}") + ".png"))
        _check(within, f"{state}, {name}", RULES[name], seen)
    put_on(page, "light", within)
