"""Files that a user gives, as a model gets them: as `FileAttachment`s where it takes them, else in words.

A provider wants all that it is to know with each request, so files would be sent again in each turn: at most MAX_SENT
of them, and MAX_SENT_BYTES, stay in a history; of older ones it keeps the words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langroid.agent.chat_agent import ChatAgent
from langroid.language_models.base import LLMMessage, Role
from langroid.parsing.file_attachment import FileAttachment

from chat.conf import conf
from chat.files import kinds
from chat.files.given import GivenFile
from chat.markdown.escaping import fenced

MAX_SENT = 6
MAX_SENT_BYTES = 10_000_000
TEXT_CHARS = 20_000  # of all texts of one message

# Models that look at images and read PDFs, by their names.
_SEES = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-[5-9]|\bo[1345]\b|claude|gemini|vision|pixtral|llava|llama-?4|gemma-?3|[-_]vl\b|\bvl[-_]"
)
_READS_PDF = re.compile(r"gpt-4o|gpt-4\.1|gpt-[5-9]|\bo[1345]\b|claude|gemini")


def said(agent: ChatAgent, content: str, files: Sequence[GivenFile]) -> tuple[str, list[FileAttachment]]:
    """What a model is told of a message with files: its text and what to say of them, and the files that it takes."""
    if not files:
        return content, []
    taken, words = [], []
    takes, room = _takes(agent), TEXT_CHARS
    for file in files:
        if _kind_of(file) in takes and file.size_bytes <= MAX_SENT_BYTES:
            taken.append(FileAttachment(content=file.bytes, filename=file.name, mime_type=file.type))
            words.append(f"[Attached: {_named(file)}]")
        elif file.is_text and room > 0:
            text = file.text
            words.append(f"[Attached: {_named(file)}]\n{fenced(text[:room])}")
            if len(text) > room:
                words.append(f"[The rest of {file.name}, {len(text) - room} characters, is left out here.]")
            room -= len(text)
        else:
            words.append(f"[Attached: {_named(file)}. Its content is not shown here.]")
    return "\n\n".join(filter(None, [content, *words])), taken


def forget_old(messages: Sequence[LLMMessage], coming: Sequence[FileAttachment] = ()) -> None:
    """Let only the newest files be sent again, those of a message that comes now among them."""
    count, size = len(coming), sum(len(file.content) for file in coming)
    for message in reversed(messages):
        if message.role != Role.USER or not message.files:
            continue
        count += len(message.files)
        size += sum(len(file.content) for file in message.files)
        if count > MAX_SENT or size > MAX_SENT_BYTES:
            message.files = []


def _takes(agent: ChatAgent) -> set[str]:
    """The kinds of files that the agent's model takes."""
    if conf.MODEL_FILES:
        return set(conf.MODEL_FILES)
    config = agent.config.llm
    name = (config.chat_model if config else "").lower()
    takes = {"image"} if _SEES.search(name) else set()
    return takes | {"pdf"} if _READS_PDF.search(name) else takes


def _kind_of(file: GivenFile) -> str:
    if file.type in kinds.IMAGES:
        return "image"
    if file.type in kinds.AUDIO:
        return "audio"
    return "pdf" if file.type == kinds.PDF else "other"


def _named(file: GivenFile) -> str:
    return f"{file.name} ({file.type}, {file.size_bytes} bytes)"
