"""Asynchronous clients of models: one for each event loop, closed with it.

Langroid keeps one client for the process (langroid 0.69.16, language_models/client_cache.py:206). Its connections
belong to the loop that opened them, and each `asyncio.run` has a loop of its own: every second batch, of whatever user,
would fail with "Event loop is closed".
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator
from typing import Any
from weakref import WeakKeyDictionary

import openai
from langroid.language_models.openai_gpt import OpenAIGPTConfig

from chat.agents.provider.request import Silence

SDKS = {"openai": "openai", "groq": "groq", "cerebras": "cerebras.cloud.sdk"}

# Loop -> the client of which it has a copy -> that copy, and what closes it with the loop.
_copies: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, tuple[Any, Any, Any]]] = WeakKeyDictionary()
_original = "_chat_original"  # in a copy: the client that it was made of


async def of_this_loop(client: Any, config: OpenAIGPTConfig) -> Any:
    """Return the running loop's copy of a client; the client itself where its SDK is unknown.

    `config`: of the model, which may say how its HTTP is to be.
    """
    original = _original_of(client)
    sdk = SDKS.get(type(original).__module__.partition(".")[0])
    if sdk is None:
        return client
    copies = _copies.setdefault(asyncio.get_running_loop(), {})
    if id(original) not in copies:
        http = _http(config, original) or importlib.import_module(sdk).DefaultAsyncHttpxClient()
        # Retries of the SDK would come on top of Langroid's.
        copy = original.copy(http_client=http, timeout=_patient(original.timeout), max_retries=0)
        vars(copy)[_original] = original
        keeper = _closing(copy)
        copies[id(original)] = original, copy, keeper
        await anext(keeper)
    return copies[id(original)][1]


def silence_of(client: Any) -> Silence | None:
    """How long the server of this client, or of a copy of it, may be silent; None where it has limits of its own."""
    original = _original_of(client)
    read = getattr(original.timeout, "read", None) if original is not None else None  # a float has none
    return read if isinstance(read, Silence) else None


def _original_of(client: Any) -> Any:
    return vars(client).get(_original, client) if client is not None else None


def _http(config: OpenAIGPTConfig, original: Any) -> Any:
    """The HTTP that the model's author has asked for; None for the SDK's own (openai_gpt.py:1208)."""
    if config.http_client_factory is not None:
        made = config.http_client_factory()
        return made[1] if isinstance(made, list | tuple) else None
    options = config.http_client_config or (None if config.http_verify_ssl else {"verify": False})
    if options is None:
        return None
    flavour = next(cls for cls in type(original._client).__mro__ if cls.__name__ == "AsyncClient")  # of httpx
    return flavour(**options)


def _patient(timeout: Any) -> Any:
    """The limits until an answer begins; between its parts the reader has a shorter one, see `silence_of`."""
    read = getattr(timeout, "read", None)
    if not isinstance(read, Silence):
        return timeout
    return openai.Timeout(connect=timeout.connect, read=read.first, write=timeout.write, pool=timeout.pool)


async def _closing(client: Any) -> AsyncGenerator[None]:
    """Wait for the end of the loop, which finalises what was begun on it, and close the client."""
    try:
        yield
    finally:
        await client.close()
