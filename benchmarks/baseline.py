"""What the parts need by themselves, in N threads, for the same answers from the same model's server.

    python -m benchmarks.baseline '{"kind": "task", "api_base": …, "sessions": 50, "turns": 1}'   # prints JSON

    httpx     an HTTP client and json: the floor
    sdk       the OpenAI SDK's stream of chunks
    agent     a bare Langroid ChatAgent: `llm_response` with a callback that does nothing
    task      the same inside a Langroid Task

Langroid is as it came, but for its output and the encodings that it would download.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Ask = Callable[[str], str]  # a question -> the whole answer


def httpx_client(api_base: str, marks: list[float]) -> Ask:
    import httpx

    client = httpx.Client(timeout=60)

    def ask(question: str) -> str:
        parts = []
        body = {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": question}]}
        with client.stream("POST", f"{api_base}/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    choices = json.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        marks.append(time.monotonic())
                        parts.append(text)
        return "".join(parts)

    return ask


def sdk_client(api_base: str, marks: list[float]) -> Ask:
    import openai

    client = openai.OpenAI(api_key="sk-benchmark", base_url=api_base)

    def ask(question: str) -> str:
        parts = []
        messages: Any = [{"role": "user", "content": question}]
        for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True):
            if chunk.choices and (text := chunk.choices[0].delta.content):
                marks.append(time.monotonic())
                parts.append(text)
        return "".join(parts)

    return ask


def bare_agent(api_base: str, marks: list[float]) -> Any:
    import langroid as lr
    from langroid.language_models.openai_gpt import OpenAIGPTConfig

    llm = OpenAIGPTConfig(chat_model="gpt-4o-mini", api_base=api_base, api_key="sk-benchmark", stream=True, timeout=60)
    agent = lr.ChatAgent(lr.ChatAgentConfig(name="Bare", llm=llm, system_message="Be brief."))
    agent.callbacks.start_llm_stream = lambda: lambda token, event: marks.append(time.monotonic()) if token else None
    return agent


def langroid_agent(api_base: str, marks: list[float]) -> Ask:
    agent = bare_agent(api_base, marks)
    return lambda question: agent.llm_response(question).content


def langroid_task(api_base: str, marks: list[float]) -> Ask:
    import langroid as lr

    agent = bare_agent(api_base, marks)
    task = lr.Task(agent, interactive=False, single_round=True, restart=False)

    def ask(question: str) -> str:
        answer = task.run(question)
        assert answer is not None
        return answer.content

    return ask


KINDS = {"httpx": httpx_client, "sdk": sdk_client, "agent": langroid_agent, "task": langroid_task}


def import_langroid() -> None:
    from chat.agents.langroid.setup import provide_encodings

    provide_encodings()
    os.environ["OPENAI_API_KEY"] = ""
    logging.disable(logging.WARNING)
    from langroid.utils.configuration import Settings, settings

    settings.update(Settings.model_construct(quiet=True, cache=False, cache_type="none"))


def measure(
    kind: str,
    api_base: str,
    *,
    sessions: int,
    turns: int,
    tokens: int,
    tps: int,
    spread_seconds: float,
    question_words: int = 8,
    windows: Sequence[tuple[int, int]] = (),
) -> dict[str, Any]:
    if kind in ("agent", "task"):
        import_langroid()
    words = " ".join(["word"] * question_words)
    warm, question = f"{words} [[tokens=5 tps=0]]", f"{words} [[tokens={tokens} tps={tps}]]"
    marks: list[list[float]] = [[] for _ in range(sessions)]
    asks = [KINDS[kind](api_base, mark) for mark in marks]
    if windows:
        return {"windows": _windows(asks[0], f"{words} [[tokens={tokens} tps=0]]", windows)}
    for ask in asks:
        ask(warm)
    first: list[float] = []
    last: list[float] = []
    gaps: list[float] = []
    got: list[int] = []

    def talk(at: int) -> None:
        time.sleep(random.random() * spread_seconds)
        for _ in range(turns):
            marks[at].clear()
            started = time.monotonic()
            text = asks[at](question)
            times = marks[at]
            first.append(times[0] - started)
            last.append(times[-1] - started)
            gaps.extend(b - a for a, b in itertools.pairwise(times))
            got.append(len(text))

    threads = [threading.Thread(target=talk, args=(at,)) for at in range(sessions)]
    cpu, started = time.process_time(), time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == sessions * turns, "a thread has died"
    return {
        "tokens": sessions * turns * tokens,
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.monotonic() - started,
        "lost": 0,
        "first_seconds": first,
        "last_seconds": last,
        "gap_seconds": gaps,
    }


def _windows(ask: Ask, question: str, windows: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    found, turn = [], 0
    for first, last in windows:
        while turn < first - 1:
            ask(question)
            turn += 1
        before = time.process_time()
        while turn < last:
            ask(question)
            turn += 1
        found.append({"turns": (first, last), "cpu_per_turn": (time.process_time() - before) / (last - first + 1)})
    return found


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()), tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)  # a task writes logs where it runs
        result = measure(**json.loads(sys.argv[1]))
    print(json.dumps(result))
