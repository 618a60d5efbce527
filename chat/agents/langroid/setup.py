"""Import Langroid once, and make it fit for a server.

    lr = setup.import_langroid()      # before any other import of langroid in this process

What Langroid does by itself is meant for one person at a terminal: it prints, writes log files, reads `.env` into the
environment, asks the network for models and encodings while it is imported, keeps answers in a cache that all users
share. `import_langroid` turns all of this off, for the whole process. The changes are named below, each with the place
that makes it necessary, in langroid 0.69.16.

The import takes two to three seconds: `warm` does it ahead of the first session.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import hashlib
import importlib
import logging
import operator
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

from chat.agents.langroid import documents, loops, mends
from chat.agents.langroid.json_scan import json_candidates
from chat.agents.provider import mends as of_provider
from chat.agents.provider.request import ModelRequest, RequestAborted, is_bound, make_stoppable, pause
from chat.mends.mend import look_at

__all__ = ["ModelRequest", "RequestAborted", "import_langroid", "make_stoppable", "pause", "warm"]

logger = logging.getLogger(__name__)

_lock = threading.RLock()
_langroid: ModuleType | None = None  # guarded by _lock


def import_langroid() -> ModuleType:
    """Return the package `langroid`, imported and prepared. Thread-safe; the first call takes seconds.

    What is not as it has to be in this version is in the log then. Raises: MendBroken, and nothing is imported.
    """
    global _langroid
    with _lock:
        if _langroid is None:
            if "langroid" in sys.modules:
                logger.warning("langroid was imported before chat.agents.langroid.setup, which could not keep it quiet")
            look_at((*mends.MENDS, *of_provider.MENDS))
            if mends.DOTENV.holds:
                _read_no_dotenv()
            if mends.ENCODINGS.holds:
                provide_encodings()
            with _uncollected():
                with _unnoticed():
                    langroid = importlib.import_module("langroid")
                _prepare()
            _langroid = langroid
    return _langroid


def warm() -> None:
    """Load, and make one agent: the first fills caches of Langroid and pydantic. In a thread, not on the loop.

    Raises: MendBroken.
    """
    langroid = import_langroid()
    importlib.import_module("chat.agents.langroid.turns")
    llm = importlib.import_module("langroid.language_models.mock_lm").MockLMConfig()
    langroid.Task(langroid.ChatAgent(langroid.ChatAgentConfig(name="warm", llm=llm)))
    from langroid.utils.object_registry import ObjectRegistry

    for key, value in ObjectRegistry.registry.copy().items():
        if isinstance(value, langroid.ChatAgent) and value.config.name == "warm":
            ObjectRegistry.remove(key)


# -- the import --------------------------------------------------------------------------------------------------------


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep what the block makes out of the garbage collector's way, for ever.

    Langroid and what it imports are 300,000 objects. Each full collection looks at all of them, which holds up every
    thread for 0.1-0.4 s, and the import itself is enough for several.
    """
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if is_enabled:
            gc.enable()


# Langroid's settings have these names in the environment, without a prefix (utils/configuration.py:13). CHAT_MODEL is
# also ours, and would be forced upon every agent of the process; DEBUG would print every prompt.
_SETTINGS = ("DEBUG", "MAX_TURNS", "PROGRESS", "STREAM", "CACHE", "CACHE_TYPE", "CHAT_MODEL", "QUIET", "NOTEBOOK")


@contextmanager
def _unnoticed() -> Iterator[None]:
    """Import inside the block without an effect on the environment, the network, the terminal or the logging."""
    # With a key in the environment the import asks OpenAI for its models (language_models/openai_gpt.py:143).
    hidden = {name: value for name, value in os.environ.items() if _is_hidden(name)}
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
        root.handlers[:] = handlers  # a coloured one was added (utils/logging.py:34)
        root.setLevel(level)


def _is_hidden(name: str) -> bool:
    return name.upper().startswith("OPENAI_") or name.upper() in _SETTINGS


def _read_no_dotenv() -> None:
    """`.env` is for the settings alone: Langroid's modules read none, also those that an agent imports later.

    (utils/configuration.py:28, vector_store/qdrantdb.py:114, agent/tools/mcp/fastmcp_client.py:56)
    """
    import dotenv
    import dotenv.main

    load_dotenv = dotenv.load_dotenv

    def load_for_others(*args: Any, **kwargs: Any) -> bool:
        is_langroid = sys._getframe(1).f_globals.get("__name__", "").partition(".")[0] == "langroid"
        return False if is_langroid else load_dotenv(*args, **kwargs)

    # It looks for the file from where its caller is, which is the first frame with another file than its own.
    load_for_others.__code__ = load_for_others.__code__.replace(co_filename=dotenv.main.__file__)
    dotenv.load_dotenv = load_for_others


# The import builds a Parser (parsing/repo_loader.py:561), for which tiktoken downloads a file, without a time limit.
_ENCODINGS = {
    "cl100k_base": "cl100k_base",
    "o200k_base": "o200k_base",
    "o200k_harmony": "o200k_base",
    "p50k_base": "p50k_base",
    "p50k_edit": "p50k_base",
    "r50k_base": "r50k_base",
}
_ENCODING_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"


def provide_encodings() -> list[str]:
    """Register a stand-in for each of tiktoken's encodings whose file is not in its cache; return their names.

    A stand-in counts a token per byte. Langroid counts words, and uses tiktoken to shorten texts only.
    """
    import tiktoken.registry

    missing = [
        name
        for name, file in _ENCODINGS.items()
        if name not in tiktoken.registry.ENCODINGS and not (_encodings_cache() / _cache_name(file)).is_file()
    ]
    for name in missing:
        tiktoken.registry.ENCODINGS[name] = tiktoken.Encoding(
            name=name,
            pat_str=r"\s*\S+|\s+",
            mergeable_ranks={bytes([value]): value for value in range(256)},
            special_tokens={"<|endoftext|>": 256},
        )
    return missing


def _encodings_cache() -> Path:
    """Where tiktoken looks (tiktoken 0.13, load.py:33)."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if variable in os.environ:
            return Path(os.environ[variable])
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _cache_name(file: str) -> str:
    return hashlib.sha1(_ENCODING_URL.format(file).encode()).hexdigest()


# -- what is changed ---------------------------------------------------------------------------------------------------


def _prepare() -> None:
    """Apply each change that fits this version."""
    for mend, change in {
        mends.PRIVATE: _share_nothing,
        mends.KILLS: _ask_no_redis,
        mends.KEYS: _read_keys_again,
        mends.COLOURS: _print_nothing,
        mends.LOGS: _log_under_own_names,
        mends.RETRIES: _make_calls_stoppable,
        mends.JSON_SCAN: _scan_json_in_linear_time,
        mends.LOOPS_IN_LOOPS: _run_loops_anywhere,
        mends.SETTINGS: _keep_settings_apart,
        mends.STDOUT: _keep_stdout,
        mends.NLTK: documents.read_without_downloads,
        mends.STORES: documents.share_stores,
        mends.REWIND: _rewind_to_what_is_gone,
        mends.TOOL_DEFAULTS: _make_tools_once,
        mends.CONFIGS: _make_configs_quickly,
        mends.TOKEN_COUNTS: _count_tokens_by_length,
    }.items():
        if mend.holds:
            change()


def _share_nothing() -> None:
    """A task writes `logs/NAME.log`, `.tsv` and `.html`, which users of one agent share (agent/task.py:693)."""
    from langroid.agent.task import Task
    from langroid.utils.configuration import Settings, settings

    # cache_type: by default each model has a private imitation of Redis, or shares a real one among all users.
    settings.update(Settings.model_construct(quiet=True, cache=False, cache_type="none"))
    Task.init_loggers = lambda self: None  # type: ignore[method-assign]  # patched


def _read_keys_again() -> None:
    """Give agents without a model of their own what they would have: OpenAI's, with the environment's key.

    Their default was made during the import (agent/base.py), which did not see the key.
    """
    from langroid.agent.base import AgentConfig
    from langroid.language_models.openai_gpt import OpenAIGPTConfig

    default = AgentConfig.model_fields["llm"].default
    fresh = OpenAIGPTConfig()
    default.api_key, default.api_base, default.organization = fresh.api_key, fresh.api_base, fresh.organization
    default._api_base_was_supplied = fresh._api_base_was_supplied


def _ask_no_redis() -> None:
    """The flag that ends a task stands in a Redis, or an imitation, which all sessions share (agent/task.py:478)."""
    from langroid.agent.task import Task

    Task._cache = _Flags()  # type: ignore[assignment]  # patched: all that is asked of it


class _Flags:
    """The flags by which a task is ended, of all sessions of this process: key -> "1"."""

    def __init__(self) -> None:
        self._set: set[str] = set()

    def store(self, key: str, value: str) -> None:
        if value == "1":
            self._set.add(key)
        else:
            self._set.discard(key)

    def retrieve(self, key: str) -> str | None:
        return "1" if key in self._set else None


def _print_nothing() -> None:
    """Each streamed answer writes a colour to the terminal, also when quiet (language_models/openai_gpt.py:1860).

    And agents print what they do, with users' questions and paths (agent/special/doc_chat_agent.py:620, 1674).
    """
    from langroid.language_models import openai_gpt

    for name, module in list(sys.modules.items()):
        if name.startswith("langroid."):
            vars(module)["print"] = _nothing
    patched: Any = openai_gpt
    colors = patched.Colors
    patched.Colors = functools.partial(colors, **dict.fromkeys(colors.model_fields, ""))


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Stand in for `print`."""


def _log_under_own_names() -> None:
    """Let Langroid's modules log under their own names, and below what the chat itself reports.

    A failed call is reported once, by `provider/failures.py`. Langroid's lines about it contain what the server has
    sent back: texts of users, parts of keys. They go to the root logger (openai_gpt.py, 20 places): nobody can turn
    them off.
    """
    from langroid.language_models import openai_gpt

    patched: Any = openai_gpt
    patched.logging = logging.getLogger("langroid.language_models.openai_gpt")
    for name, level in {
        "langroid.language_models.openai_gpt": logging.CRITICAL,
        "langroid.language_models.utils": logging.CRITICAL,
        # What a database is asked, and what it answers (agent/special/sql/sql_chat_agent.py:541, 894).
        "langroid.agent.special.sql.sql_chat_agent": logging.CRITICAL,
        # Each step of what an agent does.
        "langroid.utils.output.status": logging.WARNING,
        # What documents an agent has, and that its defaults contradict each other, with each session.
        "langroid.agent.special.doc_chat_agent": logging.ERROR,
        # That a long history was shortened, before each answer (agent/chat_agent.py:2141).
        "langroid.agent.chat_agent": logging.ERROR,
    }.items():
        logging.getLogger(name).setLevel(level)


def _make_calls_stoppable() -> None:
    """Inside a session a model's client can be cut, whoever made it, and is tried again by one loop only."""
    from langroid.language_models import utils
    from langroid.language_models.openai_gpt import OpenAIGPT

    chat = OpenAIGPT.chat

    @functools.wraps(chat)
    def stoppable_chat(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_bound() and self.client is not None:
            make_stoppable(self.client)
            self.client.max_retries = 0  # else the SDK's retries inside Langroid's: 18 requests before an error
        return chat(self, *args, **kwargs)

    OpenAIGPT.chat = stoppable_chat  # type: ignore[method-assign]  # patched
    patched: Any = utils
    patched.time = SimpleNamespace(sleep=_back_off)  # all that the module uses of it (language_models/utils.py:91)


def _back_off(seconds: float) -> None:
    """Wait before a failed call is tried again; not at all after a silence: people have waited for it once."""
    from chat.agents.provider.failures import is_silence

    error = sys.exc_info()[1]
    if error is not None and is_bound() and is_silence(error):
        raise error
    pause(seconds)


def _scan_json_in_linear_time() -> None:
    """Replace the search for tool calls in texts (parsing/parse_json.py:37), see `json_scan.py`.

    The repair step behind it raises on deep nesting, and ends the task: there is no tool call then.
    """
    from langroid.parsing import parse_json

    patched: Any = parse_json
    patched.get_json_candidates = json_candidates
    patched.try_repair_json_yaml = _none_if_too_deep(parse_json.try_repair_json_yaml)


FIXED = ("debug", "quiet", "cache", "cache_type")  # of Langroid's settings: they would show users' texts to others


def _keep_settings_apart() -> None:
    """Let an agent's code change Langroid's settings for its own session only (utils/configuration.py).

    They are the process's: one `set_global(Settings(debug=True))` would print every user's answers.
    """
    from langroid.utils import configuration

    set_global, proxy = configuration.set_global, configuration.SettingsProxy
    set_one, update = proxy.__setattr__, proxy.update

    def set_here(values: dict[str, Any]) -> None:
        if refused := sorted(set(values) & set(FIXED)):
            logger.warning("an agent's code sets %s of Langroid: refused, it is for all users", ", ".join(refused))
        own = {name: value for name, value in values.items() if name not in FIXED}
        local = configuration._thread_local
        now = vars(local).get("override", configuration._global_settings)
        local.override = now.model_copy(update=own)

    def given(settings: Any) -> dict[str, Any]:
        return {name: getattr(settings, name) for name in settings.model_fields_set}

    def set_all(key_vals: Any) -> None:
        set_here(given(key_vals)) if loops.is_kept() else set_global(key_vals)

    def set_attribute(self: Any, name: str, value: Any) -> None:
        set_here({name: value}) if loops.is_kept() else set_one(self, name, value)

    def update_all(self: Any, new_settings: Any) -> None:
        set_here(given(new_settings)) if loops.is_kept() else update(self, new_settings)

    configuration.set_global = set_all
    proxy.__setattr__, proxy.update = set_attribute, update_all  # type: ignore[method-assign]
    for module in list(sys.modules.values()):  # that have it by name
        if vars(module).get("set_global") is set_global:
            module.set_global = set_all  # type: ignore[attr-defined]


class _Sys(ModuleType):
    """The module `sys`, in which each thread sets a `stdout` of its own."""

    def __init__(self) -> None:
        super().__init__("sys")
        vars(self)["_local"] = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    @property
    def stdout(self) -> Any:
        return vars(self._local).get("stdout", sys.stdout)

    @stdout.setter
    def stdout(self, stream: Any) -> None:
        vars(self._local)["stdout"] = stream


def _keep_stdout() -> None:
    """`pandas_eval` swaps the process's stdout while it runs (agent/special/table_chat_agent.py:232)."""
    from langroid.agent.special import table_chat_agent
    from pandas.io.formats import info

    table_chat_agent.sys = info.sys = _Sys()  # type: ignore[attr-defined]


def _rewind_to_what_is_gone() -> None:
    """Let `RewindTool` find the document of a message of an earlier turn, of which only the message is kept."""
    from langroid.agent.chat_document import ChatDocument
    from langroid.agent.tools import rewind_tool

    prune = rewind_tool.prune_messages

    def prune_messages(agent: Any, idx: int) -> Any:
        message = agent.message_history[idx]
        if ChatDocument.from_id(message.chat_document_id) is None:
            document = ChatDocument.from_LLMMessage(message)
            document.metadata.agent_id, document.metadata.msg_idx = agent.id, idx
            message.chat_document_id = document.id()
        return prune(agent, idx)

    rewind_tool.prune_messages = prune_messages


def _run_loops_anywhere() -> None:
    """Let Langroid's `asyncio.run` work inside of a running loop, too: a tool that is asynchronous may start a batch.

    DocChatAgent would patch the loop for that, and with it every loop of the process, the server's too
    (agent/special/doc_chat_agent.py:991).
    """
    from langroid.agent import batch
    from langroid.agent.special import doc_chat_agent

    patched: Any = batch
    patched.asyncio = _Asyncio("asyncio of langroid")
    patched = doc_chat_agent
    patched.apply_nest_asyncio = lambda: None


class _Asyncio(ModuleType):
    """The module, with another `run`."""

    run = staticmethod(loops.run_once)

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)


def _none_if_too_deep(repair: Callable[[str], str | None]) -> Callable[[str], str | None]:
    @functools.wraps(repair)
    def safe_repair(text: str) -> str | None:
        try:
            return repair(text)
        except (ValueError, RecursionError, MemoryError):
            return None

    return safe_repair


def _make_tools_once() -> None:
    """Remember the defaults of a tool's fields: for each a whole schema is made (agent/tool_message.py:281).

    That is 14 schemas per tool, eight tools per agent, and four fifths of the time to make an agent.
    """
    from langroid.agent.tool_message import ToolMessage

    look_up = vars(ToolMessage)["default_value"].__func__
    known: WeakKeyDictionary[type, dict[str, Any]] = WeakKeyDictionary()

    def default_value(cls: type, f: str) -> Any:
        values = known.setdefault(cls, {})
        if f not in values:
            values[f] = look_up(cls, f)
        return copy.deepcopy(values[f])

    ToolMessage.default_value = classmethod(default_value)  # type: ignore[method-assign, assignment]  # patched


def _make_configs_quickly() -> None:
    from chat.agents.langroid import configs  # imports pydantic

    configs.make_quickly()


BYTES_PER_TOKEN = 4  # of English; three bytes, that is one character, of Chinese are most of a token
MESSAGE_TOKENS = 4  # what a message costs beside its text: its role, and the marks around it
IMAGE_TOKENS = 1000  # about; and of a page of a PDF, of which 60 kB are about one
_COUNTED = "_chat_counted"  # in a message: what was counted, and its tokens


def _count_tokens_by_length() -> None:
    """Count a message's tokens where Langroid decides whether the history fits (agent/chat_agent.py:2631).

    It counts the words of the text there. A text without blanks would be a single one, a tool call nothing: the model's
    server would refuse the history, and one of short turns would grow to tens of thousands of messages. And it counts
    the whole history some six times for each request: the count is kept with the message.
    """
    from langroid.agent.chat_agent import ChatAgent

    count_words = ChatAgent._message_num_tokens

    def count(self: Any, message: Any) -> int:
        bare = message.model_copy(update={"files": []}) if message.files else message
        text = max(count_words(self, bare), _tokens(message.content or ""))
        functions = [call.function for call in message.tool_calls or ()] + [message.function_call]
        files = sum(_tokens_of_file(file) for file in message.files)
        return MESSAGE_TOKENS + text + files + sum(_tokens(f"{f.name}{f.arguments or {}}") for f in functions if f)

    @functools.wraps(count_words)
    def counted(self: Any, message: Any) -> int:
        counts = (message.content, message.tool_calls, message.function_call, message.files)
        tokens: int
        known, tokens = vars(message).get(_COUNTED, ((), 0))
        if len(known) != len(counts) or any(map(operator.is_not, known, counts)):
            tokens = count(self, message)
            vars(message)[_COUNTED] = counts, tokens  # no field: pydantic copies it, and writes it nowhere
        return tokens

    ChatAgent._message_num_tokens = counted  # type: ignore[method-assign]  # patched


def _tokens_of_file(file: Any) -> int:
    """About what providers count. Langroid counts the file in Base64 as a text: one image would fill a model."""
    return IMAGE_TOKENS if (file.mime_type or "").startswith("image/") else IMAGE_TOKENS + len(file.content) // 40


def _tokens(text: str) -> int:
    return len(text.encode(errors="replace")) // BYTES_PER_TOKEN
