"""The configuration of this site's model, or of the mock model where none is configured."""

# ruff: noqa: E402
from __future__ import annotations

from typing import Any

from chat.agents.langroid import setup

setup.import_langroid()

import openai
from langroid.agent.chat_agent import CHAT_HISTORY_BUFFER
from langroid.language_models.base import LLMConfig, RetryParams
from langroid.language_models.openai_gpt import OpenAIGPTConfig
from langroid.language_models.provider_params import DUMMY_API_KEY

from chat.agents.mock_model import MockConfig, Script, echo, stand_in
from chat.agents.provider.request import Silence
from chat.conf import conf

OUTPUT_TOKENS = 4096  # longest answer that is asked for
RETRY_SECONDS = 0.5  # before a failed call is tried again, times 1.3 to 2.6


def llm_config(*, mock: Script = echo, **changes: Any) -> LLMConfig:
    """Return the configuration of the model that `CHAT_MODEL`, `CHAT_API_KEY` and `CHAT_API_BASE` name.

    `changes` are fields of Langroid's `OpenAIGPTConfig` that differ. Without a key, a base or a model that names its
    server (`ollama/…`), and with `CHAT_MOCK_MODEL`, it is the mock model, which answers what `mock` says.
    """
    if script := stand_in.get():
        return MockConfig(script=script, stream=conf.STREAM, tokens_per_second=0)
    if uses_mock_model():
        return MockConfig(script=mock, stream=conf.STREAM)
    fields: dict[str, Any] = {
        # Explicit, also when empty: what is not given is looked for in the environment.
        "api_key": conf.API_KEY or DUMMY_API_KEY,
        "api_base": conf.API_BASE or None,
        "stream": conf.STREAM,
        "cache_config": None,
        "retry_params": RetryParams(
            max_retries=conf.MODEL_RETRIES, initial_delay=RETRY_SECONDS, exponential_base=1.3, jitter=True
        ),
    }
    if conf.MODEL:
        fields["chat_model"] = conf.MODEL
    if conf.TEMPERATURE is not None:
        fields["temperature"] = conf.TEMPERATURE
    # Langroid drops turns when such an answer would not fit any more (langroid 0.69.16, agent/chat_agent.py:1897).
    output = changes.get("max_output_tokens") or OUTPUT_TOKENS
    fields |= {"max_output_tokens": output, "min_output_tokens": output}
    fields["chat_context_length"] = conf.CONTEXT_TOKENS + output + CHAT_HISTORY_BUFFER
    config = OpenAIGPTConfig(**(fields | changes))
    if "timeout" not in changes:
        config.timeout = _time_limits()  # type: ignore[assignment]  # assigned: the field takes whole seconds only
    return config


def _time_limits() -> openai.Timeout:
    """How long a model's server may take, for Langroid to make its clients with."""
    between = conf.MODEL_TIMEOUT_SECONDS
    read = Silence(between, first=max(between, conf.MODEL_FIRST_BYTE_SECONDS))
    return openai.Timeout(connect=conf.MODEL_CONNECT_SECONDS, read=read, write=between, pool=between)


def uses_mock_model() -> bool:
    """True when no model is configured, or the mock model is wanted."""
    names_server = "/" in conf.MODEL  # ollama/…, openrouter/…, local/host:port/v1
    return conf.MOCK_MODEL or not (conf.API_KEY or conf.API_BASE or names_server)
