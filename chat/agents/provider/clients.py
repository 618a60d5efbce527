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

SDKS = {"openai": "openai", "groq": "groq", "cerebras": "cerebras.cloud.sdk"}

# Loop -> the client of which it has a copy -> that copy, and what closes it with the loop.
_copies: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, tuple[Any, Any, Any]]] = WeakKeyDictionary()
_original = "_chat_original"  # in a copy: the client that it was made of


async def of_this_loop(client: Any) -> Any:
    """Return the running loop's copy of a client; the client itself where its SDK is unknown."""
    original: Any = vars(client).get(_original, client) if client is not None else None
    sdk = SDKS.get(type(original).__module__.partition(".")[0])
    if sdk is None:
        return client
    copies = _copies.setdefault(asyncio.get_running_loop(), {})
    if id(original) not in copies:
        # Retries of the SDK would come on top of Langroid's.
        copy = original.copy(http_client=importlib.import_module(sdk).DefaultAsyncHttpxClient(), max_retries=0)
        vars(copy)[_original] = original
        keeper = _closing(copy)
        copies[id(original)] = original, copy, keeper
        await anext(keeper)
    return copies[id(original)][1]


async def _closing(client: Any) -> AsyncGenerator[None]:
    """Wait for the end of the loop, which finalises what was begun on it, and close the client."""
    try:
        yield
    finally:
        await client.close()
