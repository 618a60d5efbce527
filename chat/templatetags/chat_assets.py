"""Tags for the templates: the page's ES modules and style sheets with their final, possibly hashed, addresses, and the
site's name.

The modules import each other by bare names (`import {el} from "chat/dom.js"`). The import map says where each is; so
no tool has to rewrite `import` statements, and renamed files with hashes in their names are found.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat.conf import conf

STATIC = Path(__file__).resolve().parent.parent / "static"

register = template.Library()


MAIN = "chat/main.js"
ADDED = ("chat/cards/*.js", "chat/slots/*.js")  # each of them registers what it adds (`chat/registries.js`)
IMPORT = re.compile(r'^(?:import|\}) .*?"(chat/[\w./-]+)";$', re.M)


@cache
def script_names() -> tuple[str, ...]:
    """Return the names of the modules that the page starts, in order: what adds to it, then the page."""
    added = (path.relative_to(STATIC).as_posix() for pattern in ADDED for path in STATIC.glob(pattern))
    return (*sorted(added), MAIN)


@cache
def module_names() -> tuple[str, ...]:
    """Return the names of the modules that the page runs, such as "chat/dom.js": each after those that it imports."""
    names: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in names:
            return
        for imported in IMPORT.findall((STATIC / name).read_text()):
            visit(imported)
        names[name] = None

    for name in script_names():
        visit(name)
    return tuple(names)


@cache
def style_names() -> tuple[str, ...]:
    """Return the names of the page's style sheets. The one that puts the layers in order comes first; of the others
    none depends on the order.
    """
    names = (path.relative_to(STATIC).as_posix() for path in STATIC.glob("chat/styles/*.css"))
    return tuple(sorted(names, key=lambda name: (name != "chat/styles/tokens.css", name)))


@register.simple_tag
def chat_style_sheets() -> SafeString:
    """Print a link to each of the page's style sheets."""
    return format_html_join("\n", '<link rel="stylesheet" href="{}">', ((static(name),) for name in style_names()))


@register.simple_tag
def chat_import_map(nonce: str) -> SafeString:
    """Print the import map. It must stand before the first module script."""
    text = json.dumps({"imports": {name: static(name) for name in module_names()}})
    # "<" as an escape, so that no address can end the script element.
    return format_html(
        '<script type="importmap" nonce="{}">{}</script>', nonce, mark_safe(text.replace("<", "\\u003c"))
    )


@register.simple_tag
def chat_module_preloads() -> SafeString:
    """Print a preload for each module: without them the browser finds one only when another imports it."""
    return format_html_join("\n", '<link rel="modulepreload" href="{}">', ((static(name),) for name in module_names()))


@register.simple_tag
def chat_scripts() -> SafeString:
    """Print the scripts that start the page. They run in this order."""
    return format_html_join(
        "\n", '<script type="module" src="{}"></script>', ((static(name),) for name in script_names())
    )


@register.simple_tag
def chat_site_name() -> str:
    """Print the site's name, for the pages around the chat."""
    return str(conf.SITE_NAME)
