"""What went wrong, as people may see it: an exception of a model's client becomes a `Failure`.

A server tells of an error by its status, in the answer's body, or in both: the code, type and message in the body say
more than the status, and are all there is where the answer had begun as a good one.

Nothing of the exception itself goes into the sentence. It goes to the log, beside the incident's id.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any

import openai

from chat.exceptions import ChatError, new_incident
from chat.observer import Failure

logger = logging.getLogger(__name__)

SENTENCES = {
    "llm_auth": "The model's server refused the access key. Please tell the operator of this site.",
    "llm_rate_limited": "The model's server has too many requests at the moment. Please try again in a while.",
    "llm_timeout": "The model's server did not answer in time. Please try again.",
    "llm_unavailable": "The connection to the model's server failed. Please try again.",
    "llm_error": "The model could not answer this. Please try again, or ask in another way.",
    "internal": ChatError.sentence,
}
TOO_LONG = (
    "This is too long for the model. Send a shorter message, or start a new conversation with what matters of it."
)
NO_SUCH_MODEL = (
    "The model's server has no model of the name that this site is set up with. Please tell the operator of this site."
)
NO_CREDIT = "The account at the model's server has no credit left. Please tell the operator of this site."

# OpenAI's, Groq's, Cerebras' and LiteLLM's clients and both flavours of httpx have classes of their own of these names.
TIMEOUTS = {"APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"}
BROKEN_CONNECTIONS = {"APIConnectionError", "ConnectionError", "TransportError", "OSError"}

NOT_OWN = ("site-packages", "/chat/agents/langroid/", "/chat/agents/provider/", "/chat/live/", "/chat/agents/registry")
CAUSE_CHARS = 1000

Told = tuple[str, str]  # the code of a failure, and its sentence

# What servers say in a body, in the order in which it is looked for. "=429": a code, type or status of this value.
_BODIES: list[tuple[str, str, str]] = [
    (
        r"context.?(length|window|size)|maximum context|string_above_max_length|max_prompt_tokens|prompt.?too.?long"
        r"|reduce the length",
        "limit_reached",
        TOO_LONG,
    ),
    (r"=402\b|insufficient.?(balance|credit|funds)|payment.required|out of credits?", "llm_error", NO_CREDIT),
    (
        r"=429\b|code:? 429|rate.?limit|too.many.requests|quota|resource.?exhausted|throttl"
        r"|(tokens|requests) per (min|day)",
        "llm_rate_limited",
        SENTENCES["llm_rate_limited"],
    ),
    (
        r"=40[13]\b|code:? 40[13]|auth(entication|orization)?.?(error|fail|required)|unauthori[sz]ed|unauthenticated"
        r"|in(valid|correct).{0,20}(api.?key|token\b|credential)|no.?api.?key"
        r"|(api.?key|credential)s?.{0,30}(invalid|incorrect|missing|expired|not valid)|permission.?(denied|error)"
        r"|forbidden|access.?denied",
        "llm_auth",
        SENTENCES["llm_auth"],
    ),
    (
        r"=404\b|code:? 404|model.?not.?(found|exist)|(unknown|unsupported|invalid|no such).?model\b|no model named"
        r"|model\b.{0,80}(not exist|not found|is not (available|supported|loaded)|no longer|decommissioned)",
        "llm_error",
        NO_SUCH_MODEL,
    ),
    (
        r"max(imum)?.(prompt|input|sequence|model).?(len|tokens)|too many (input )?tokens"
        r"|(prompt|input|message|request)s? (is|are|was) too (long|large)|exceeds? .{0,40}(token|context)"
        r"|tokens? .{0,40}exceed",
        "limit_reached",
        TOO_LONG,
    ),
    (r"=(408|504|524)\b|time.?d?.?out|deadline.?exceeded", "llm_timeout", SENTENCES["llm_timeout"]),
    (
        r"=5\d\d\b|code:? 5\d\d|overloaded|unavailable|server.?error|internal.?error|capacity|bad gateway"
        r"|engine.{0,20}(dead|died)|out of memory|crashed",
        "llm_unavailable",
        SENTENCES["llm_unavailable"],
    ),
]
BODIES = [(re.compile(pattern, re.IGNORECASE), (code, sentence)) for pattern, code, sentence in _BODIES]
CODE_FIELDS = ("code", "status", "type", "status_code")
TEXT_FIELDS = ("message", "msg", "status_msg", "detail", "error", "error_message", "error_msg", "metadata", "raw")
LASTING = ("limit_reached", "llm_auth")  # and NO_SUCH_MODEL, NO_CREDIT: another try would end the same way
BODY_CHARS = 2000  # of a body that are looked at


class EmptyAnswer(Exception):
    """The model ended its answer without any text or tool call."""


class CutAnswer(Exception):
    """The answer broke off in its middle: its server said so."""


class ServerError(openai.APIError):
    """The server told of an error in an answer that had begun as a good one. `body` is what it said."""

    def __init__(self, body: Any) -> None:
        super().__init__("the model's server told of an error", request=None, body=body)  # type: ignore[arg-type]


class Final(Exception):
    """The call would not end otherwise if it were tried again, whatever its class: see the cause."""


def is_final(error: Exception) -> bool:
    """True for what a server told inside of an answer that trying again does not mend."""
    if not isinstance(error, openai.APIError) or isinstance(error, openai.APIStatusError):
        return False  # by their classes Langroid knows
    told = _told_in(error.body)
    return told is not None and (told[0] in LASTING or told[1] in (NO_SUCH_MODEL, NO_CREDIT))


def is_silence(error: BaseException) -> bool:
    """True where a server has said nothing for too long: people have waited for it once."""
    is_timeout = isinstance(error, openai.APITimeoutError) and type(error.__cause__).__name__ != "ConnectTimeout"
    return is_timeout or isinstance(error, TimeoutError)


def of_model(error: BaseException, *, model: str) -> Failure:
    """Return the failure of a model call, and log it under its incident.

    What is expected to happen with any model's server is one line of the log; all else has its traceback.
    """
    code, sentence, retry_ms = "llm_error", SENTENCES["llm_error"], None
    for link in _chain(error):
        if found := _told(link):
            (code, sentence), retry_ms = found, _retry_ms(link)
            break
    incident = new_incident()
    if code == "llm_error" and not isinstance(error, EmptyAnswer):
        logger.error("model %s: %s, incident %s", model, code, incident, exc_info=error)
    else:
        logger.warning("model %s: %s, incident %s", model, code, incident)
    return Failure(code=code, details=sentence, incident=incident, retry_ms=retry_ms, cause=cause_of(error))


def of_turn(error: BaseException) -> Failure:
    """Return the failure of a turn that ends outside of any model call, and log it under its incident."""
    incident = new_incident()
    if isinstance(error, ChatError):
        incident = error.incident or incident
        logger.info("turn ended: %s, incident %s", error.code, incident)
        return Failure(code=error.code, details=error.details, incident=incident, retry_ms=error.retry_ms)
    logger.error("turn failed, incident %s", incident, exc_info=error)
    return Failure(code="internal", details=SENTENCES["internal"], incident=incident, cause=cause_of(error))


def of_tool(error: BaseException, *, name: str, incident: str) -> str:
    """Return a sentence for people and for the model about a tool's exception, and log it under its incident."""
    if isinstance(error, ChatError):
        return f"The tool failed. {error.details}"
    logger.error("tool %s failed, incident %s", name, incident, exc_info=error)
    return f"The tool failed ({type(error).__name__})."


def cause_of(error: BaseException) -> str:
    """What a developer wants to know of an exception: its type, its text, and the last place in the project's code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(part in frame.filename for part in NOT_OWN)]
    place = (own or frames)[-1:]
    where = "".join(f"\n{frame.filename}:{frame.lineno}, in {frame.name}" for frame in place)
    return f"{type(error).__name__}: {error}"[:CAUSE_CHARS] + where


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from.

    Langroid's retry loop ends with a bare `Exception`, which has the last error only as its context
    (langroid 0.69.16, language_models/utils.py:80).
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _told(error: BaseException) -> Told | None:
    """What an exception says of the failure; None if it is no error of a server."""
    if isinstance(error, ChatError):
        return error.code, error.details
    if isinstance(error, CutAnswer):
        return "llm_unavailable", SENTENCES["llm_unavailable"]
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)  # of each client's own classes
    if isinstance(status, int):
        return _told_by(status, body)
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & TIMEOUTS:
        return "llm_timeout", SENTENCES["llm_timeout"]
    if names & BROKEN_CONNECTIONS:
        return "llm_unavailable", SENTENCES["llm_unavailable"]
    return _told_in(body)


def _told_by(status: int, body: Any) -> Told:
    """A status says what is wrong, but for 4xx that stand for many things."""
    match status:
        case 401 | 403:
            code = "llm_auth"
        case 429:
            code = "llm_rate_limited"
        case 408 | 504:
            code = "llm_timeout"
        case 404:
            return "llm_error", NO_SUCH_MODEL
        case 402:
            return "llm_error", NO_CREDIT
        case 413:
            return "limit_reached", TOO_LONG
        case _ if status >= 500:
            code = "llm_unavailable"
        case _:
            return _told_in(body) or ("llm_error", SENTENCES["llm_error"])
    return code, SENTENCES[code]


def _told_in(body: Any) -> Told | None:
    """What a body says, by its code, type and message."""
    text = " ".join(_words(body))[:BODY_CHARS]
    return next((told for pattern, told in BODIES if pattern.search(text)), None)


def _words(body: Any) -> Iterator[str]:
    match body:
        case dict():
            yield from (f"={body[name]}" for name in CODE_FIELDS if isinstance(body.get(name), str | int))
            for name in TEXT_FIELDS:
                yield from _words(body.get(name))
        case list():
            for item in body[:3]:
                yield from _words(item)
        case str():
            yield body


def _retry_ms(error: BaseException) -> int | None:
    """The server's Retry-After; its form with a date is not used by model servers."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    try:
        return max(0, round(float(response.headers.get("retry-after", "")) * 1000))
    except ValueError:
        return None
