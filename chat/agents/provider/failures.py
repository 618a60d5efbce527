"""What went wrong, as people may see it: an exception of a model's client becomes a `Failure`.

Nothing of the exception itself goes into the sentence. It goes to the log, beside the incident's id.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

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

# OpenAI's, Groq's, Cerebras' and LiteLLM's clients and both flavours of httpx have classes of their own of these names.
TIMEOUTS = {"APITimeoutError", "TimeoutException", "TimeoutError", "Timeout"}
BROKEN_CONNECTIONS = {"APIConnectionError", "ConnectionError", "TransportError", "OSError"}


class EmptyAnswer(Exception):
    """The model ended its answer without any text or tool call."""


class CutAnswer(Exception):
    """The stream ended in the middle of an answer, without an error of the connection."""


def of_model(error: BaseException, *, model: str) -> Failure:
    """Return the failure of a model call, and log it under its incident.

    What is expected to happen with any model's server is one line of the log; all else has its traceback.
    """
    code, retry_ms = "llm_error", None
    for link in _chain(error):
        if found := _code(link):
            code, retry_ms = found, _retry_ms(link)
            break
    incident = new_incident()
    if code == "llm_error" and not isinstance(error, EmptyAnswer):
        logger.error("model %s: %s, incident %s", model, code, incident, exc_info=error)
    else:
        logger.warning("model %s: %s, incident %s", model, code, incident)
    return Failure(code=code, details=SENTENCES[code], incident=incident, retry_ms=retry_ms)


def of_turn(error: BaseException) -> Failure:
    """Return the failure of a turn that ends outside of any model call, and log it under its incident."""
    incident = new_incident()
    if isinstance(error, ChatError):
        incident = error.incident or incident
        logger.info("turn ended: %s, incident %s", error.code, incident)
        return Failure(code=error.code, details=error.details, incident=incident, retry_ms=error.retry_ms)
    logger.error("turn failed, incident %s", incident, exc_info=error)
    return Failure(code="internal", details=SENTENCES["internal"], incident=incident)


def of_tool(error: BaseException, *, name: str, incident: str) -> str:
    """Return a sentence for people and for the model about a tool's exception, and log it under its incident."""
    if isinstance(error, ChatError):
        return f"The tool failed. {error.details}"
    logger.error("tool %s failed, incident %s", name, incident, exc_info=error)
    return f"The tool failed ({type(error).__name__})."


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


def _code(error: BaseException) -> str | None:
    status = getattr(error, "status_code", None)  # each client's own class for an HTTP error has it
    if isinstance(status, int):
        return _code_of_status(status)
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & TIMEOUTS:
        return "llm_timeout"
    if names & BROKEN_CONNECTIONS or isinstance(error, CutAnswer):
        return "llm_unavailable"
    return None


def _code_of_status(status: int) -> str:
    match status:
        case 401 | 403:
            return "llm_auth"
        case 429:
            return "llm_rate_limited"
        case 408:
            return "llm_timeout"
    return "llm_unavailable" if status >= 500 else "llm_error"


def _retry_ms(error: BaseException) -> int | None:
    """The server's Retry-After; its form with a date is not used by model servers."""
    response = getattr(error, "response", None)
    if response is None:
        return None
    try:
        return max(0, round(float(response.headers.get("retry-after", "")) * 1000))
    except ValueError:
        return None
