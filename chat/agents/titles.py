"""A conversation's title from its first turn: one short question to this site's model, past all agents."""

# ruff: noqa: E402
from __future__ import annotations

from chat.agents.langroid import setup

setup.import_langroid()

from langroid.language_models.base import LanguageModel, LLMMessage, RetryParams, Role

from chat.agents.llm import llm_config, uses_mock_model
from chat.observer import Usage
from chat.wire.values import clean

SECONDS = 20  # then the title stays what it is
TOKENS = 200  # a model that thinks first needs some
SHOWN_CHARS = 2000  # of the question, and of the answer
MARKS = " \t\"'“”„«»`*#."


def title_for(question: str, answer: str) -> tuple[str, Usage] | None:
    """Ask this site's model; None where that is the mock model. Blocks. Raises: whatever a model's client may raise."""
    if uses_mock_model():
        return None
    retries = RetryParams(max_retries=0)
    model = LanguageModel.create(
        llm_config(stream=False, timeout=SECONDS, max_output_tokens=TOKENS, retry_params=retries)
    )
    assert model is not None
    order = (
        "Name the conversation that begins with this exchange: at most six words, in the language of the exchange, "
        "without quotes and full stop. Answer with the name alone."
    )
    said = f"<question>\n{question[:SHOWN_CHARS]}\n</question>\n<answer>\n{answer[:SHOWN_CHARS]}\n</answer>"
    messages = [LLMMessage(role=Role.SYSTEM, content=order), LLMMessage(role=Role.USER, content=said)]
    response = model.chat(messages, max_tokens=TOKENS)
    used = response.usage
    if used is None:
        return None
    usage = Usage(prompt_tokens=used.prompt_tokens, completion_tokens=used.completion_tokens, cost=used.cost)
    lines = clean(response.message or "").strip().splitlines()
    return (lines[-1].strip(MARKS) if lines else ""), usage
