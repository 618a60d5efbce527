"""The mends of the OpenAI SDK and of its HTTP, with what each stands on. Imports none of them."""

from __future__ import annotations

from chat.mends.mend import Mend, Needs

FAST_STREAM = Mend(
    name="fast stream",
    place="chat/agents/provider/stream.py",
    packages=("openai", "langroid"),
    needs=(
        Needs("openai._streaming", "Stream.__init__", takes="cast_to response client", mentions="_iterator __stream__"),
        Needs("openai._streaming", "Stream._iter_events", mentions="_decoder iter_bytes response"),
        Needs("openai._base_client", "SyncAPIClient.post", takes="path cast_to body options stream stream_cls"),
        Needs("openai.resources.chat.completions.completions", "Completions.create", takes="messages model stream"),
        Needs("langroid.language_models.openai_gpt", "OpenAIGPT._cache_lookup", takes="fn_name"),
        Needs("langroid.language_models.openai_gpt", "OpenAIGPT._rate_limiter"),
        Needs("langroid.language_models.openai_gpt", "OpenAIGPT._chat_completions_with_backoff_body"),
    ),
    without="the SDK reads streamed answers, at some four times the CPU time for a token",
)


DECODER = Mend(
    name="events of any server",
    place="chat/agents/provider/events.py",
    packages=("openai",),
    needs=(
        Needs("openai._base_client", "BaseClient._make_sse_decoder"),
        Needs("openai._streaming", "Stream.__init__", mentions="_make_sse_decoder"),
        Needs("openai._streaming", "Stream._iter_events", mentions="_decoder iter_bytes"),
        Needs("openai._streaming", "AsyncStream._iter_events", mentions="_decoder aiter_bytes"),
        Needs("openai._streaming", "Stream.__stream__", mentions="data json"),
    ),
    without="where the SDK reads streamed answers an empty event, bytes that are no UTF-8, or JSON in place of a stream"
    " end in a failure",
)


def _cut(flavour: str, core: str, *packages: str) -> Mend:
    return Mend(
        name=f"requests that can be cut, {flavour}",
        place="chat/agents/provider/request.py",
        packages=packages,
        needs=(
            Needs(f"{flavour}._client", "Client.__init__", mentions="_transport _mounts"),
            Needs(f"{flavour}._transports.default", "HTTPTransport.__init__", mentions="_pool"),
            Needs(f"{core}._sync.connection_pool", "ConnectionPool.__init__", mentions="_network_backend"),
            Needs(f"{core}._backends.sync", "SyncBackend.connect_tcp"),
        ),
        without="a stop waits until the model's server has answered",
    )


CUT = {  # by the module of the client's HTTP
    "httpx2": _cut("httpx2", "httpcore2", "httpx2", "httpcore2"),  # of the OpenAI SDK
    "httpx": _cut("httpx", "httpcore", "httpx", "httpcore"),  # of Groq's and Cerebras'
}

MENDS = (FAST_STREAM, DECODER, *CUT.values())
