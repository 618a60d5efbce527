"""What an answer of DocChatAgent stands on: the passages behind its `[^1]`, told with the answer itself.

Langroid prints them once the answer has ended (agent/special/doc_chat_agent.py:978), and its callback gets them as one
text. The passages are known before the model is asked: `Scope.passages` has them while it answers.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from langroid.agent.chat_document import ChatDocument
from langroid.agent.special.doc_chat_agent import DocChatAgent
from langroid.mytypes import DocMetaData, Document

from chat.agents.langroid import mends
from chat.agents.langroid.scope import Scope, override
from chat.markdown.notes import numbers_in

_PAGES = re.compile(r"[ ,]pages? (\d+(?:\s*[-–]\s*\d+)?)$")


@override(DocChatAgent, mend=mends.CITATIONS)
def get_summary_answer(
    original: Any, now: Scope, agent: DocChatAgent, question: str, passages: list[Document]
) -> ChatDocument:
    with now.moved(passages=tuple(passages)):
        answer: ChatDocument = original(agent, question, passages)
    return answer


def cited(now: Scope, text: str) -> tuple[dict[str, Any], ...]:
    """The sources behind the marks of a text: of the passages that its model was given, else of the turn's newest.

    An agent may pass on what one that it has asked has found.
    """
    numbers = numbers_in(text)
    if not numbers:
        return ()
    if now.passages:
        now.run.cited = {number: _source(number, each) for number, each in enumerate(now.passages, 1)}
    return tuple(now.run.cited[number] for number in numbers if number in now.run.cited)


def _source(number: int, passage: Document) -> dict[str, Any]:
    """A passage as a source: of a file its name, since where it lies is nobody's business."""
    metadata: DocMetaData = passage.metadata
    place, page = metadata.source.strip(), ""
    if paged := _PAGES.search(place):
        place, page = place[: paged.start()].rstrip(" ,"), paged[1]
    is_page = urlsplit(place).scheme in ("http", "https")
    name = place if is_page else PurePath(place.replace("\\", "/")).name
    title = "" if "unknown" in metadata.title.lower() else metadata.title.strip()
    fields = {"title": title or name, "url": place if is_page else "", "page": page, "quote": passage.content.strip()}
    if title and not is_page:
        fields["document"] = name
    return {"number": number} | {name: value for name, value in fields.items() if value}
