"""One answer of a model's server, whatever its events look like: the only place between the wire and Langroid. Pure.

    answer = Answer(request)                # the arguments of the request
    for is_thought, text in answer.read(events):
        ...                                 # as it comes
    answer.text, answer.reasoning, answer.calls(), answer.finish, answer.usage

An event is what a server sent, as a dict, or a str for one that brings text and nothing else. Of all servers that speak
OpenAI's chat completions, with and without streams, and of Ollama's own: nothing in an event is taken for granted. What
is wrong in one part of it does not harm the others.

    text        without thoughts, whole characters only
    reasoning   thoughts from fields of their own, from parts of the content, from tags in the text
    calls       put together (`calls.py`), each with an id of its own
    finish      "stop", "length", "tool_calls", "content_filter"
    usage       None where the server has not told
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from typing import Any

from chat.agents.provider.calls import Calls, WholeCall
from chat.agents.provider.failures import CutAnswer, ServerError
from chat.agents.provider.thoughts import Kind, Thoughts
from chat.agents.provider.values import Joiner, parts, text_of, whole_number

Event = dict[str, Any]
Said = tuple[bool, str]  # whether it is a thought, and the text

# What servers call the ends of an answer, in small letters. All else is "stop".
FINISHES = {
    "length": "length max_tokens max_token model_length max_length max_output_tokens max_new_tokens token_limit"
    " model_context_window_exceeded context_length_exceeded incomplete",
    "content_filter": "content_filter content_filtered filtered safety recitation blocklist prohibited_content spii"
    " sensitive refusal image_safety guardrail_intervened language",
    "tool_calls": "tool_calls tool_call tool_use function_call function_calls",
    "error": "error abort aborted failed failure cancelled canceled network_error server_error exception timeout"
    " insufficient_system_resource malformed_function_call unexpected_tool_call",
}
FINISH_OF = {word: finish for finish, words in FINISHES.items() for word in words.split()}
REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "reasoning_details")
ERROR_FIELDS = ("message", "msg", "error_message", "error_msg")  # of an event that brings no choices
USAGE_FIELDS = {
    "prompt_tokens": ("prompt_tokens", "input_tokens", "prompt_eval_count", "promptTokenCount"),
    "completion_tokens": ("completion_tokens", "output_tokens", "eval_count", "candidatesTokenCount"),
}


class Answer:
    """One answer while it comes and when it is whole. Not thread-safe."""

    def __init__(
        self,
        *,
        tools: Collection[str] = (),
        taken: Collection[str] = (),
        as_function: bool = False,
        delimiters: tuple[str, str] | None = None,
        begins_in: str = "",
    ) -> None:
        """`tools`: names that the model was offered; `taken`: ids of calls before; `as_function`: by the older API.

        `delimiters`, `begins_in`: see `Thoughts`.
        """
        self.usage: dict[str, Any] | None = None
        self._taken = taken
        self._as_function = as_function
        self._calls = Calls(tools)
        self._functions = Calls(tools)
        self._thoughts = Thoughts(delimiters, begins_in=begins_in)
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._in_text, self._in_reasoning = Joiner(), Joiner()
        self._finish = ""  # as the server calls it
        self._choice: Any = None  # index of the choice that is read: there may be others
        self._had_delta = False
        self._whole_calls: list[WholeCall] | None = None

    @classmethod
    def to(cls, request: Mapping[str, Any], **known: Any) -> Answer:
        """Return the answer to come of a request with these arguments."""
        tools, functions = request.get("tools") or (), request.get("functions") or ()
        names = [tool["function"]["name"] for tool in tools] + [function["name"] for function in functions]
        calls = (call for message in request.get("messages") or () for call in message.get("tool_calls") or ())
        taken = {call.get("id") for call in calls}
        return cls(tools=names, taken=taken, as_function=bool(functions) and not tools, **known)

    # -- when it is whole ---------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return "".join(self._reasoning)

    @property
    def began_in(self) -> str | None:
        """The tag that closed the thought in which the text began; empty if it began in none, None without a text."""
        return self._thoughts.began_in if self.text or self._thoughts.began_in else None

    @property
    def finish(self) -> str:
        """Why it ended."""
        found = FINISH_OF.get(self._finish, "stop")
        return "tool_calls" if found == "stop" and (self._calls or self._functions) else found

    @property
    def has_begun(self) -> bool:
        """True when anything of it has come."""
        return bool(self._text or self._reasoning or self._calls or self._functions)

    def calls(self) -> list[WholeCall]:
        """Return the tool calls."""
        if self._whole_calls is None:
            is_cut = not self._finish or self.finish in ("length", "content_filter", "error")
            calls = self._calls or self._functions
            self._whole_calls = calls.whole(taken=self._taken, is_cut=is_cut)
        return self._whole_calls

    def for_langroid(self) -> dict[str, Any]:
        """The arguments of `OpenAIGPT._create_stream_response` (langroid 0.69.16, openai_gpt.py:2152)."""
        calls = self.calls()
        function = None
        if self._as_function:  # which has one call, and no id to answer it by
            function = next((call.as_delta(0)["function"] for call in calls if not call.fault), None)
            calls = []
        deltas = [call.as_delta(index) for index, call in enumerate(calls)]
        return {
            "tool_deltas": deltas,
            "has_function": function is not None,
            "function_name": function["name"] if function else "",
            "function_args": function["arguments"] if function else "",
            "completion": self.text,
            "reasoning": self.reasoning,
            "usage": self.usage or {},
            "content_present": bool(self._text),
            "finish_reason": self.finish,
        }

    def completion(self) -> Event:
        """The answer as a well-behaved server sends it without a stream."""
        message: Event = {"role": "assistant", "content": self.text, "reasoning_content": self.reasoning}
        given = self.for_langroid()
        if given["tool_deltas"]:
            message["tool_calls"] = given["tool_deltas"]
        if given["has_function"]:
            message["function_call"] = {"name": given["function_name"], "arguments": given["function_args"]}
        if not self._text and (given["tool_deltas"] or given["has_function"]):
            message["content"] = None
        return {"choices": [{"index": 0, "message": message, "finish_reason": self.finish}], "usage": self.usage}

    # -- while it comes -----------------------------------------------------------------------------------------------

    def read(self, events: Iterable[Any]) -> Iterator[Said]:
        """Read the answer; yield what is said. Raises: ServerError, CutAnswer, and what `events` raises.

        A connection that breaks after the finish reason came has lost nothing.
        """
        try:
            for event in events:
                yield from self.feed(event)
                if self._is_last(event):
                    break
        except Exception:
            if not self._finish:
                raise
        yield from self.end()

    async def read_async(self, events: AsyncIterator[Any]) -> AsyncIterator[Said]:
        """The same for an asynchronous stream."""
        try:
            async for event in events:
                for said in self.feed(event):
                    yield said
                if self._is_last(event):
                    break
        except Exception:
            if not self._finish:
                raise
        for said in self.end():
            yield said

    def feed(self, event: Any) -> list[Said]:
        """Take the next event; return what it says. Raises: ServerError."""
        if isinstance(event, str):
            self._had_delta = True
            self._choice = self._choice or 0
            return self._say(event)
        if not isinstance(event, dict):
            return []
        if error := _error_in(event):
            raise ServerError(error)
        self._count(event)
        choice = self._choice_of(event)
        if choice is None:
            return []
        if error := choice.get("error"):
            raise ServerError(error)
        self._count(choice)
        said = self._take(self._delta_of(choice))
        self._end_with(choice.get("finish_reason") or choice.get("done_reason"))
        return said

    def end(self) -> list[Said]:
        """The answer has ended: return what was held back. Raises: CutAnswer."""
        said = self._think(self._in_reasoning.rest()) + self._say(self._in_text.rest())
        said += self._sorted(self._thoughts.end())
        if self.finish == "error":
            raise CutAnswer
        return said

    def _is_last(self, event: Any) -> bool:
        """True for the event with the usage after the finish reason: some servers then keep the connection."""
        return bool(self._finish) and isinstance(event, dict) and not event.get("choices") and bool(event.get("usage"))

    # -- the parts of an event ----------------------------------------------------------------------------------------

    def _choice_of(self, event: Event) -> Event | None:
        choices = event.get("choices")
        if choices is None and isinstance(event.get("message"), dict):
            return event  # of Ollama's own
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            self._choice = index if self._choice is None else self._choice
            if index is None or index == self._choice:
                return choice
        return None

    def _delta_of(self, choice: Event) -> Event:
        """What is new; a whole message in place of it, unless it tells once more what has come."""
        delta = choice.get("delta")
        if isinstance(delta, dict) and delta:
            self._had_delta = True
            return delta
        message = choice.get("message")
        if isinstance(message, str):
            message = {"content": message}
        if not isinstance(message, dict):
            text = choice.get("text")
            return {"content": text} if isinstance(text, str) else {}
        if self._had_delta and self.has_begun:
            return {name: value for name, value in message.items() if name == "tool_calls"}
        return message

    def _take(self, delta: Event) -> list[Said]:
        said: list[Said] = []
        for name in REASONING_FIELDS:
            if thought := text_of(delta.get(name)):
                said += self._think(thought)
                break
        for is_thought, text in parts(delta.get("content")):
            said += self._think(text) if is_thought else self._say(text)
        if refusal := text_of(delta.get("refusal")):
            said += self._say(refusal)
        if calls := delta.get("tool_calls"):
            self._calls.add(calls)
        if function := delta.get("function_call"):
            self._functions.add(function)
        return said

    def _say(self, text: str) -> list[Said]:
        text = self._in_text.feed(text)
        return self._sorted(self._thoughts.feed(text)) if text else []

    def _sorted(self, pieces: Iterable[tuple[Kind, str]]) -> list[Said]:
        said: list[Said] = []
        for kind, text in pieces:
            if kind is Kind.TEXT:
                self._text.append(text)
                said.append((False, text))
            elif kind is Kind.THOUGHT:
                self._reasoning.append(text)
                said.append((True, text))
            elif kind is Kind.SAID:
                if self.finish != "length":  # else it was a thought that broke off
                    self._reasoning.clear()
                    self._text.append(text)
                    said.append((False, text))
            else:
                self._reasoning.append("".join(self._text).strip())
                self._text.clear()
                said.clear()
        return said

    def _think(self, text: str) -> list[Said]:
        text = self._in_reasoning.feed(text)
        if not text:
            return []
        self._thoughts.came_apart()
        self._reasoning.append(text)
        return [(True, text)]

    def _count(self, event: Event) -> None:
        more = event.get("x_groq")
        usage = event.get("usage") or (more.get("usage") if isinstance(more, dict) else None)
        if usage is None and "eval_count" in event:
            usage = event
        if not isinstance(usage, dict):
            return
        known = self.usage or {}
        found = {name: _first_number(usage, names) or known.get(name, 0) for name, names in USAGE_FIELDS.items()}
        if not any(found.values()):
            return
        details = usage.get("prompt_tokens_details")
        cached = whole_number(details.get("cached_tokens")) if isinstance(details, dict) else 0
        cached = min(cached, found["prompt_tokens"])
        self.usage = {**found, "total_tokens": sum(found.values()), "prompt_tokens_details": {"cached_tokens": cached}}

    def _end_with(self, finish: Any) -> None:
        word = finish if isinstance(finish, str) else text_of(finish)
        if word and FINISH_OF.get(self._finish, "stop") in ("stop", "tool_calls"):  # what went wrong is not overruled
            self._finish = word.strip().lower().rpartition(": ")[2]  # of Gemini's, "function_call_filter: …"


def _first_number(usage: Event, names: Iterable[str]) -> int:
    return next((number for name in names if (number := whole_number(usage.get(name)))), 0)


def _error_in(event: Event) -> Any:
    """What an event says of an error; None where it is none."""
    if error := event.get("error"):
        return error
    if event.get("object") == "error" or event.get("type") == "error":
        return event
    if event.get("choices") is not None or event.get("type") == "ping":
        return None
    status = event.get("base_resp")  # of MiniMax
    if isinstance(status, dict) and status.get("status_code"):
        return status
    if event.get("errors"):  # of Cloudflare
        return event["errors"]
    told = event.get("detail") or any(isinstance(event.get(name), str) and event[name] for name in ERROR_FIELDS)
    return event if told else None


class Opened:
    """A streamed answer whose beginning is there: a server's error may come in place of it."""

    def __init__(self, answer: Answer, said: Any) -> None:
        self.answer = answer
        self.said = said  # an iterator of `Said`, or an asynchronous one
