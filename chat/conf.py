"""Every `CHAT_*` setting: its name, type and default. The only place that reads them.

    from chat.conf import conf
    conf.GRACE_SECONDS        # settings.CHAT_GRACE_SECONDS, or the default

Values are read when they are asked for, so that tests can override settings. Wrong values are found by the system
checks (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

MOCK_AGENT = {
    "FACTORY": "chat.demo.agents.assistant",
    "NAME": "Assistant",
    "DESCRIPTION": "Answers from the configured model, or from the built-in mock model when there is no key.",
    "STARTERS": ["What can you do?", "Show me some Markdown", "Tell me a long story"],
    "GREETING": "",
}


@dataclass(frozen=True)
class Setting:
    """One setting: its default, its type, and what it means (the text of `docs/settings.md`)."""

    default: Any
    kind: type
    doc: str
    minimum: float | None = None


def _debug() -> bool:
    return bool(settings.DEBUG)


def _is_open() -> bool:
    """A project all of whose pages ask for a sign-in has no visitors unless it says so."""
    return _debug() and "django.contrib.auth.middleware.LoginRequiredMiddleware" not in settings.MIDDLEWARE


SETTINGS: dict[str, Setting] = {
    "AGENTS": Setting({"assistant": MOCK_AGENT}, dict, "The agents: key -> {FACTORY, NAME, DESCRIPTION, …}."),
    "DEFAULT_AGENT": Setting("", str, "Key of the agent of a new conversation; empty: the first of CHAT_AGENTS."),
    "SITE_NAME": Setting("Chat", str, "Name of the site, as the page shows it."),
    "LOGO": Setting("", str, "Image beside the name: a static file's name, or an address; empty: the built-in mark."),
    "FAVICON": Setting("", str, "Icon of the browser's tab: a static file's name, or an address; empty: the chat's."),
    "STYLESHEET": Setting("", str, "One more style sheet, after all others: a static file's name, or an address."),
    "FRAME_ANCESTORS": Setting((), list, "Origins whose pages may show the chat in a frame; `'self'`: its own site."),
    "ALLOW_ANONYMOUS": Setting(
        _is_open, bool, "Visitors who are not signed in may chat. Default: DEBUG, without LoginRequiredMiddleware."
    ),
    "ALLOWED_ORIGINS": Setting((), list, "Further origins (scheme://host:port) whose pages may open the socket."),
    "TRUSTED_PROXIES": Setting((), list, "Addresses or networks of proxies whose `X-Forwarded-For` is believed."),
    "EMBED_PARENTS": Setting((), list, "Origins whose pages may show the chat in a frame; none: it cannot."),
    "EMBED_KEY": Setting("", str, "Key with which another site's server asks for tickets; empty: it cannot."),
    "SHOW_CAUSES": Setting(_debug, bool, "Errors show the exception and its place; to staff always. Default: DEBUG."),
    "SOCKET_PATH": Setting("", str, "Path of the socket as browsers ask for it; empty: `ws/chat/` beside the page."),
    "COMPATIBLE_PROFILE": Setting(_debug, bool, "Serve sockets without `v=1` in the older format. Default: DEBUG."),
    "COMPATIBLE_SESSION_IDS": Setting(_debug, bool, "Such a page's session id is its visitor's key. Default: DEBUG."),
    "SHARE": Setting(True, bool, "People may make links that show a conversation to whoever has them."),
    "SHARE_DAYS": Setting(365, int, "Longest time for which such a link works.", 1),
    "TEMPORARY": Setting(True, bool, "People may chat without the conversation being kept."),
    "TITLES": Setting(False, bool, "The site's model names each conversation after its first turn: one more call."),
    "MODEL": Setting("", str, "Model of the built-in agents, any Langroid model string; empty: Langroid's default."),
    "API_KEY": Setting("", str, "Key of the model's server, passed on explicitly; empty: the mock model answers."),
    "API_BASE": Setting("", str, "Base URL of an OpenAI-compatible server, passed on explicitly."),
    "MOCK_MODEL": Setting(False, bool, "The built-in agents answer from the mock model, whatever key is there."),
    "SYSTEM_MESSAGE": Setting("", str, "System message of the built-in assistant."),
    "STREAM": Setting(True, bool, "Stream answers token by token where the model can."),
    "FAST_STREAM": Setting(True, bool, "Read streamed answers of OpenAI-compatible servers without the SDK's objects."),
    "TEMPERATURE": Setting(None, float, "Sampling temperature of the built-in agents; None: Langroid's default.", 0),
    "MODEL_CONNECT_SECONDS": Setting(5.0, float, "Longest wait for a connection to a model's server.", 0.1),
    "MODEL_FIRST_BYTE_SECONDS": Setting(120.0, float, "Longest wait for the beginning of an answer.", 0.1),
    "MODEL_TIMEOUT_SECONDS": Setting(60.0, float, "Longest silence of a model's server in mid-answer.", 0.1),
    "MODEL_RETRIES": Setting(1, int, "How often a failed model call is tried again.", 0),
    "CONTEXT_TOKENS": Setting(16000, int, "History that is sent to a model; older turns are dropped.", 256),
    "MAX_MESSAGE_CHARS": Setting(16000, int, "Longest user message, in code points.", 1),
    "MAX_QUEUED_TURNS": Setting(20, int, "Messages that may wait while the agent works; above: busy.", 0),
    "MAX_RUNNING_TURNS": Setting(3, int, "Turns of one owner that may run at the same time; above: busy.", 1),
    "TURNS_PER_MINUTE": Setting(20, int, "Messages and changes of branch of one owner per minute.", 1),
    "MAX_RECORDS": Setting(100_000, int, "Records of one owner; above: limit_reached. 0: no limit.", 0),
    "MAX_STORED_BYTES": Setting(500_000_000, int, "Bytes of one owner's texts; above: limit_reached. 0: no limit.", 0),
    "STORAGE": Setting("chat", str, "Alias in STORAGES for attachments; not there: a folder of the project."),
    "MAX_ATTACHMENT_BYTES": Setting(20_000_000, int, "Bytes of one attachment.", 1),
    "MAX_TOOL_RESULT_CHARS": Setting(
        200_000, int, "Longest result of a tool that is stored and shown; the whole is a file to download.", 1000
    ),
    "MAX_TOOL_RESULT_TOKENS": Setting(
        8000, int, "Longest result that a model is given, unless its tool says `_max_result_tokens`.", 1
    ),
    "MAX_ATTACHMENTS": Setting(10, int, "Files of one message.", 0),
    "SCAN": Setting("", str, "Dotted path of what looks at each upload: (file, *, name, media_type) -> refusal."),
    "MODEL_FILES": Setting((), list, "Files that models are sent: image, pdf, audio; empty: by the model's name."),
    "MAX_OWNER_FILE_BYTES": Setting(1_000_000_000, int, "Bytes of one owner's attachments; 0: no limit.", 0),
    "MAX_SITE_FILE_BYTES": Setting(0, int, "Bytes of all attachments; 0: no limit.", 0),
    "FRAMES_PER_SECOND": Setting(20.0, float, "Frames of one connection per second, of any type.", 0.1),
    "FRAMES_BURST": Setting(40, int, "Frames of one connection that may come at once.", 1),
    "MAX_SOCKETS": Setting(10, int, "Connections of one owner; the oldest is closed with 4409.", 1),
    "MAX_SOCKETS_PER_IP": Setting(50, int, "Connections of visitors of one address; 0: no limit.", 0),
    "VISITORS_PER_MINUTE": Setting(20, int, "New visitors of one address per minute; 0: no limit.", 0),
    "VISITOR_TURNS_PER_MINUTE": Setting(60, int, "Messages of visitors of one address per minute; 0: no limit.", 0),
    "MAX_RUNNING_VISITOR_TURNS": Setting(10, int, "Turns of visitors of one address that run; 0: no limit.", 0),
    "MAX_SESSIONS": Setting(200, int, "Live agents in one process; when all work, new ones are refused (4503).", 1),
    "GRACE_SECONDS": Setting(120.0, float, "How long an agent without a connected page is kept.", 0),
    "DRAIN_SECONDS": Setting(3.0, float, "How long running turns may go on after SIGTERM.", 0),
    "LEASE_SECONDS": Setting(4.0, float, "A process that has not renewed its lease for so long counts as dead.", 2),
    "STOP_SECONDS": Setting(0.8, float, "A turn that has not ended so long after a stop is abandoned.", 0),
}


class Conf:
    """`conf.NAME` is `settings.CHAT_NAME`, or the default."""

    def __getattr__(self, name: str) -> Any:
        try:
            setting = SETTINGS[name]
        except KeyError:
            raise AttributeError(f"there is no setting CHAT_{name}") from None
        value = getattr(settings, f"CHAT_{name}", setting.default)
        return value() if callable(value) else value


conf = Conf()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one turn of an agent may take: `LIMITS` of its entry, in capitals. 0: no limit."""

    steps: int = 500  # of all its tasks
    model_calls: int = 100
    cost: float = 1.0  # US dollars, of models whose price Langroid knows
    seconds: float = 1800  # of one message's work, without the time in which its user is asked
    tool_seconds: float = 120  # of one asynchronous tool
    turns: int = 0  # steps of the root task, as `turns` of Langroid's `Task.run`: what there is then is the answer


@dataclass(frozen=True, kw_only=True)
class AgentSpec:
    """One entry of `CHAT_AGENTS`. `options` is handed to the factory as `AgentContext.settings`."""

    key: str
    factory: str  # dotted path of a callable (AgentContext) -> Task | ChatAgent
    name: str
    description: str = ""
    group: str = ""  # heading under which it stands where people choose an agent
    avatar: str = ""  # URL of an image of this site; empty: initials
    greeting: str = ""
    opening: str = ""  # a prompt with which the agent speaks first; its user does not see it
    starters: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()
    share: bool = True  # people may make links that show its conversations
    feedback: Mapping[str, tuple[str, ...]] | None = None  # the reasons that people may give; None: none is asked for
    approve: Mapping[str, str] = field(default_factory=dict)  # tools that ask first -> the permission to agree, or ""
    commands: tuple[Mapping[str, str], ...] = ()  # what "/" offers in the composer: NAME, TEXT, DESCRIPTION
    suggestions: str = ""  # dotted path of a callable (question, answer) -> texts that the user may say next
    settings: str = ""  # dotted path of a pydantic class: what the user may set in a conversation
    show: Mapping[str, str] = field(default_factory=dict)  # how much of REASONING, TOOLS, SUB_AGENTS the page shows
    styles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # agent's name -> AVATAR, COLOUR
    cards: Mapping[str, str] = field(default_factory=dict)  # tool -> one of CARD_KINDS, or a template; "": none


FEEDBACK_REASONS = {
    "UP": ("Right", "Clear", "Complete"),
    "DOWN": ("Wrong", "Not what I asked", "Incomplete", "Too long", "Not safe"),
}

SHOWN_PARTS = ("REASONING", "TOOLS", "SUB_AGENTS")
SHOWN = ("full", "names", "nothing")
CARD_KINDS = ("sql", "search", "code", "table", "json")
AGENT_KEYS: dict[str, type | tuple[type, ...]] = {
    "FACTORY": str,
    "NAME": str,
    "DESCRIPTION": str,
    "GROUP": str,
    "AVATAR": str,
    "GREETING": str,
    "OPENING": str,
    "STARTERS": (list, tuple),
    "OPTIONS": dict,
    "LIMITS": dict,
    "SHARE": bool,
    "FEEDBACK": (dict, bool),
    "APPROVE": (list, tuple, dict),
    "COMMANDS": (list, tuple),
    "SUGGESTIONS": str,
    "SETTINGS": str,
    "SHOW": dict,
    "STYLES": dict,
    "CARDS": dict,
}


def agents() -> dict[str, AgentSpec]:
    """Return the configured agents by key, in their order."""
    return {key: _spec(key, entry) for key, entry in conf.AGENTS.items()}


def _spec(key: str, entry: Mapping[str, Any]) -> AgentSpec:
    return AgentSpec(
        key=key,
        factory=entry["FACTORY"],
        name=entry.get("NAME") or key.replace("_", " ").capitalize(),
        description=entry.get("DESCRIPTION", ""),
        group=entry.get("GROUP", ""),
        avatar=entry.get("AVATAR", ""),
        greeting=entry.get("GREETING", ""),
        opening=entry.get("OPENING", ""),
        starters=tuple(entry.get("STARTERS", ())),
        options=entry.get("OPTIONS", {}),
        approve=_approve(entry.get("APPROVE", ())),
        commands=tuple(entry.get("COMMANDS", ())),
        suggestions=entry.get("SUGGESTIONS", ""),
        settings=entry.get("SETTINGS", ""),
        show=entry.get("SHOW", {}),
        styles=entry.get("STYLES", {}),
        cards=entry.get("CARDS", {}),
        limits=Limits(**{name.lower(): value for name, value in entry.get("LIMITS", {}).items()}),
        share=entry.get("SHARE", True),
        feedback=_reasons(entry.get("FEEDBACK", True)),
    )


def _reasons(feedback: Mapping[str, Sequence[str]] | bool) -> dict[str, tuple[str, ...]] | None:
    if feedback is False:
        return None
    reasons = FEEDBACK_REASONS if feedback is True else feedback
    return {value.lower(): tuple(reasons.get(value, ())) for value in FEEDBACK_REASONS}


def _approve(value: Sequence[str] | Mapping[str, str | None]) -> dict[str, str]:
    """Tool -> permission, of a list of tools too."""
    pairs = value.items() if isinstance(value, Mapping) else ((name, "") for name in value)
    return {name: permission or "" for name, permission in pairs}


def default_agent() -> AgentSpec:
    """Return the agent of a new conversation."""
    known = agents()
    return known[conf.DEFAULT_AGENT] if conf.DEFAULT_AGENT else next(iter(known.values()))
