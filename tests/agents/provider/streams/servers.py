"""Answers as servers and gateways of these names send them: several oddities at once, with all the fields around them.

Put together after what people have reported of each; the texts are ours.
"""

from __future__ import annotations

import json
from typing import Any

from tests.agents.provider.streams import cases
from tests.agents.provider.streams.cases import (
    BOTH,
    DONE,
    HELLO,
    ONE,
    STOP,
    TWO,
    Case,
    call,
    data,
    failed,
    ran,
    said,
)

SAFE = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
SIGNATURE = {"google": {"thought_signature": "EjQKMgEMOdbH"}}


def chunk(delta: Any = None, finish: Any = None, *, choice: dict[str, Any] | None = None, **fields: Any) -> bytes:
    """An event with all that is around a delta; without one where it is None."""
    found = {"index": 0, "finish_reason": finish, "logprobs": None, **(choice or {})}
    if delta is not None:
        found["delta"] = delta
    around = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "system_fingerprint": None}
    return data({**around, "choices": [found], **fields})


def usage(prompt: int = 30, completion: int = 4, **fields: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **fields}


def openrouter(delta: dict[str, Any], finish: Any = None, native: Any = None, **fields: Any) -> bytes:
    role = {"role": "assistant", "content": ""}
    return chunk(role | delta, finish, choice={"native_finish_reason": native}, provider="P", **fields)


PROCESSING = b": OPENROUTER PROCESSING\n\n"

GEMINI: dict[str, Case] = {
    "a signature with the call, stop": ran(
        chunk({"role": "assistant", "tool_calls": [call(None, "f1", "calculate", ONE, extra_content=SIGNATURE)]}),
        chunk({"role": "assistant"}, "stop", usage=usage()),
        end=(DONE,),
    ),
    "two calls, the id empty": ran(
        chunk({"role": "assistant", "tool_calls": [call(None, "", "calculate", ONE, extra_content=SIGNATURE)]}),
        chunk({"role": "assistant", "tool_calls": [call(None, "", "calculate", TWO)]}),
        chunk({"role": "assistant"}, "stop"),
        tools=BOTH,
        end=(DONE,),
    ),
    "a signature alone, then the call": ran(
        chunk({"role": "assistant", "tool_calls": [{"extra_content": SIGNATURE}]}),
        chunk({"role": "assistant", "tool_calls": [call(0, "f1", "calculate", ONE)]}),
        chunk({"role": "assistant"}, "stop"),
        end=(DONE,),
    ),
    "a signature after the call": ran(
        chunk({"role": "assistant", "tool_calls": [call(0, "f1", "calculate", ONE)]}),
        chunk({"role": "assistant", "tool_calls": [{"index": 0, "extra_content": SIGNATURE}]}, "stop"),
        end=(DONE,),
    ),
    "a signature of the text": said(
        chunk({"role": "assistant", "content": "Hello"}),
        chunk({"role": "assistant", "content": " world.", "extra_content": SIGNATURE}, "stop", usage=usage()),
        DONE,
        usage=(30, 4),
    ),
    "thoughts in a tag of its own": said(
        chunk({"role": "assistant", "content": "<thought>one", "extra_content": {"google": {"thought": True}}}),
        chunk({"role": "assistant", "content": "</thought>Hello world."}, "stop"),
        DONE,
        reasoning="one",
    ),
    "an error as a list": failed(
        json.dumps([{"error": {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED"}}]).encode(),
        code="llm_rate_limited",
    ),
    "malformed": failed(
        chunk({"role": "assistant"}, "function_call_filter: MALFORMED_FUNCTION_CALL"), DONE, code="llm_unavailable"
    ),
}

AZURE: dict[str, Case] = {
    "filters around it": said(
        data({"id": "", "object": "", "choices": [], "prompt_filter_results": [{"content_filter_results": SAFE}]}),
        chunk({"role": "assistant", "content": "", "refusal": None}, choice={"content_filter_results": {}}),
        *(chunk({"content": part}, choice={"content_filter_results": SAFE}) for part in ("Hello", " world.")),
        chunk(choice={"content_filter_results": SAFE, "content_filter_offsets": {"check_offset": 44}}, usage=None),
        chunk({}, "stop", choice={"content_filter_results": {}}),
        data({"choices": [], "usage": usage(prompt_tokens_details={"cached_tokens": 0})}),
        DONE,
        finish="stop",
        usage=(30, 4),
    ),
    "filtered in the middle": said(
        chunk({"content": "Hello world."}),
        chunk({}, "content_filter", choice={"content_filter_results": {"hate": {"filtered": True}}}),
        DONE,
        finish="filtered",
    ),
}

VLLM: dict[str, Case] = {
    "content null beside a call, the end with its last piece": ran(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": None, "tool_calls": [call(0, "chatcmpl-tool-1", "calculate", "")]}),
        chunk({"content": None, "tool_calls": [call(0, args=ONE[:9])]}),
        chunk({"content": "", "tool_calls": [call(0, args=ONE[9:])]}, "tool_calls", choice={"stop_reason": 151338}),
        end=(DONE,),
    ),
    "thoughts under a name of its own": said(
        chunk({"role": "assistant", "content": "", "reasoning_content": None}),
        chunk({"reasoning": "one", "reasoning_content": None}),
        *(chunk({"content": part, "reasoning": None}) for part in ("\n\nHello", " world.")),
        chunk({"content": ""}, "stop", choice={"stop_reason": None}),
        data({"object": "chat.completion.chunk", "choices": [], "usage": usage(prompt_tokens_details=None)}),
        DONE,
        reasoning="one",
        usage=(30, 4),
    ),
    "thoughts, text and a call in one event": ran(
        chunk({"reasoning_content": "one", "content": "Hello", "tool_calls": [call(0, "a", "calculate", "")]}),
        chunk({"content": " world.", "tool_calls": [call(0, args=ONE)]}),
        text="Hello world.",
        reasoning="one",
    ),
    "repetition": said(*HELLO, chunk({}, "repetition"), DONE, finish="stop"),
}

OLLAMA: dict[str, Case] = {
    "empty reasons, the call whole": ran(
        chunk({"role": "assistant", "content": "", "tool_calls": [call(0, "call_1", "calculate", ONE)]}, ""),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
        end=(DONE,),
    ),
    "two calls, both at the first place": ran(
        chunk({"role": "assistant", "content": "", "tool_calls": [call(0, "call_1", "calculate", ONE)]}),
        chunk({"role": "assistant", "content": "", "tool_calls": [call(0, "call_2", "calculate", TWO)]}),
        chunk({"role": "assistant", "content": ""}, "tool_calls"),
        tools=BOTH,
        end=(DONE,),
    ),
    "its own way, with a call": ran(
        json.dumps(
            {
                "message": {
                    "content": "",
                    "tool_calls": [{"function": {"name": "calculate", "arguments": {"expression": "1+1"}}}],
                },
                "done": False,
            }
        ).encode()
        + b"\n",
        json.dumps(
            {"message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 4, "prompt_eval_count": 30}
        ).encode()
        + b"\n",
        end=(),
        content_type="application/x-ndjson",
    ),
    "an error in its own way": failed(
        json.dumps({"error": "llama runner process has terminated: out of memory"}).encode() + b"\n",
        code="llm_unavailable",
        content_type="application/x-ndjson",
    ),
}

LLAMA: dict[str, Case] = {
    "timings in each": said(
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "one"}, timings={"predicted_n": 1}),
        *(chunk({"content": part}, timings={"predicted_n": 2}) for part in ("Hello", " world.")),
        chunk({}, "stop", timings={"prompt_n": 30, "predicted_n": 4}, usage=usage()),
        DONE,
        reasoning="one",
        usage=(30, 4),
    ),
    "too long": failed(
        b'error: {"code":400,"message":"the request exceeds the available context size, try increasing it",'
        b'"type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}\n\n',
        code="limit_reached",
    ),
    "arguments in pieces of a token": ran(
        chunk({"tool_calls": [call(0, "x", "calculate", "{")]}),
        *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": letter}}]}) for letter in ONE[1:]),
    ),
}

GATEWAYS: dict[str, Case] = {
    "OpenRouter, comments and roles": said(
        *[PROCESSING] * 3,
        openrouter({}),
        openrouter({"reasoning": "one", "reasoning_details": [{"type": "reasoning.text", "text": "one", "index": 0}]}),
        PROCESSING,
        *(openrouter({"content": part}) for part in ("Hello", " world.")),
        openrouter({}, "stop", "end_turn"),
        openrouter({}, None, usage=usage(cost=0.1)),
        DONE,
        reasoning="one",
        finish="stop",
        usage=(30, 4),
    ),
    "OpenRouter, encrypted thoughts": said(
        openrouter({"reasoning": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAAAA"}]}),
        openrouter({"content": "Hello world."}, "stop", "completed"),
        DONE,
    ),
    "OpenRouter, an error in the middle": failed(
        openrouter({"content": "The first half"}),
        chunk(
            {"content": ""},
            "error",
            error={"code": 502, "message": "Provider disconnected", "metadata": {"provider_name": "P"}},
        ),
        text="The first half",
        code="llm_unavailable",
        finish="cut",
    ),
    "OpenRouter, an error without choices": failed(
        data({"id": "g", "choices": [], "error": {"code": 429, "message": "Worker local total request limit reached"}}),
        code="llm_rate_limited",
    ),
    "LiteLLM of Bedrock, a role with each piece": ran(
        chunk({"role": "assistant", "content": "Hello world."}),
        chunk({"role": "assistant", "content": "", "tool_calls": [call(0, "tooluse_1", "calculate", "")]}),
        chunk(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"index": 0, "id": None, "type": "function", "function": {"name": None, "arguments": ONE}}
                ],
            }
        ),
        chunk({"content": None, "role": None, "tool_calls": None, "provider_specific_fields": None}, "tool_calls"),
        text="Hello world.",
        end=(DONE,),
    ),
    "LiteLLM, blocks that think": said(
        chunk(
            {"reasoning_content": "one", "thinking_blocks": [{"type": "thinking", "thinking": "one"}], "content": ""}
        ),
        chunk({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "EqoB"}], "content": ""}),
        *HELLO,
        chunk({}, "stop"),
        DONE,
        reasoning="one",
    ),
    "Bedrock, a call whose index is that of its block": ran(
        chunk({"tool_calls": [call(1, "tooluse_1", "calculate", "")]}),
        chunk({"tool_calls": [call(1, args=ONE)]}),
        chunk({"tool_calls": [call(2, "tooluse_2", "calculate", "")]}),
        chunk({"tool_calls": [call(2, args=TWO)]}),
        chunk({}, "tool_use"),
        tools=BOTH,
        end=(DONE,),
    ),
}

OTHERS: dict[str, Case] = {
    "Mistral, a call whole, with its index": ran(
        chunk({"role": "assistant", "content": ""}),
        chunk(
            {
                "content": "",
                "tool_calls": [{"id": "D681PevKs", "function": {"name": "calculate", "arguments": ONE}, "index": 0}],
            },
            "tool_calls",
            usage=usage(),
        ),
        end=(DONE,),
    ),
    "Mistral, thoughts in parts and then text in pieces": said(
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "o"}], "closed": False}]}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "ne"}], "closed": True}]}),
        *HELLO,
        STOP,
        DONE,
        reasoning="one",
    ),
    "DeepSeek, both fields in each": said(
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk({"content": None, "reasoning_content": "one"}),
        *(chunk({"content": part, "reasoning_content": None}) for part in ("Hello", " world.")),
        chunk({"content": "", "reasoning_content": None}, "stop", usage=usage(prompt_cache_hit_tokens=8)),
        DONE,
        reasoning="one",
        usage=(30, 4),
    ),
    "DeepSeek, kept alive": said(*[b": keep-alive\n\n"] * 3, *HELLO, b": keep-alive\n\n", STOP, DONE),
    "Groq, what it counts": said(
        chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"}),
        chunk({"reasoning": "one", "channel": "analysis"}),
        *HELLO,
        chunk({}, "stop", x_groq={"id": "req_1", "usage": usage(queue_time=0.1)}),
        DONE,
        reasoning="one",
        usage=(30, 4),
    ),
    "Groq, a call that failed": failed(
        b'event: error\ndata: {"error":{"message":"Failed to call a function. Please adjust your prompt.",'
        b'"type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=now>"}}\n\n',
        code="llm_error",
    ),
    "LM Studio, an error by its event": failed(
        b'event: error\ndata: {"error":{"message":"The model has crashed without additional information."},'
        b'"message":"The model has crashed without additional information."}\n\n',
        code="llm_unavailable",
    ),
    "LM Studio, a call in pieces, its end empty": ran(
        chunk(
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "365174485",
                        "type": "function",
                        "function": {"name": "calculate", "arguments": ""},
                    }
                ],
            }
        ),
        chunk({"tool_calls": [{"index": 0, "type": "function", "function": {"arguments": ONE}}]}),
        chunk({"tool_calls": [{"index": 0, "type": "function", "function": {"name": "", "arguments": ""}}]}),
    ),
    "Cohere, text and end at once": said(
        chunk({"role": "assistant", "content": "Hello world."}, "COMPLETE"), DONE, finish="stop"
    ),
    "Qwen, the call again with an empty id": ran(
        chunk({"content": None, "tool_calls": [call(0, "call_1", "calculate", "")]}),
        chunk(
            {
                "content": None,
                "tool_calls": [{"index": 0, "id": "", "type": "function", "function": {"arguments": ONE[:7]}}],
            }
        ),
        chunk(
            {
                "content": None,
                "tool_calls": [{"index": 0, "id": "", "type": "function", "function": {"arguments": ONE[7:]}}],
            }
        ),
        chunk({"content": ""}, "tool_calls"),
        data({"choices": [], "object": "chat.completion.chunk", "usage": usage()}),
        end=(DONE,),
    ),
    "Xinference, the call only with the end": ran(
        chunk({"role": "assistant", "content": "", "tool_calls": []}),
        chunk(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "calculate", "arguments": ONE}}
                ],
            },
            "tool_calls",
        ),
        end=(DONE,),
    ),
    "MiniMax, the whole answer once more at the end": said(
        *HELLO,
        data(
            {
                "object": "chat.completion",
                "choices": [
                    {"index": 0, "finish_reason": "stop", "message": {"content": "Hello world.", "role": "assistant"}}
                ],
                "usage": {"total_tokens": 34, "prompt_tokens": 30, "completion_tokens": 4},
                "base_resp": {"status_code": 0, "status_msg": ""},
            }
        ),
        usage=(30, 4),
    ),
    "MiniMax, an error beside nothing": failed(
        data(
            {"id": "x", "choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail: unauthorized"}}
        ),
        code="llm_auth",
    ),
    "Cloudflare, an error in a list": failed(
        data({"result": None, "success": False, "errors": [{"code": 5007, "message": "No such model @cf/x"}]}),
        code="llm_error",
        says="name",
    ),
}

SERVERS = {"Gemini": GEMINI, "Azure": AZURE, "vLLM": VLLM, "Ollama": OLLAMA, "llama.cpp": LLAMA, "gateway": GATEWAYS}
SERVERS |= {"other": OTHERS}
BY_SERVER = {f"{server}: {name}": case for server, group in SERVERS.items() for name, case in group.items()}
CASES = cases.CASES | BY_SERVER
