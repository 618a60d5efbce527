"""What agents that answer from documents need of a server: no download in a turn, stores for all sessions.

Applied by `setup.py`, as the other changes of Langroid.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import ModuleType
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

from chat.agents.langroid.words import sentences_of, words_of

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

NLTK_DATA = ("tokenizers/punkt", "corpora/wordnet", "corpora/stopwords")  # of Langroid's search by words


def read_without_downloads() -> None:
    """Find words and sentences ourselves where NLTK's data is not installed.

    Langroid downloads it with the first document, without a time limit (parsing/search.py:117); for sentences NLTK
    needs data by now which it does not download (parsing/utils.py:169). So no document could be taken or asked.
    """
    from langroid.agent.special import doc_chat_agent, relevance_extractor_agent
    from langroid.parsing import search, utils

    clean, number = search.preprocess_text, utils.number_segments

    def preprocess_text(text: str) -> str:
        return clean(text) if _has_nltk_data() else " ".join(words_of(text))

    def number_segments(s: str, granularity: int = 1) -> str:
        _stand_in_for_tokenizers()
        return number(s, granularity)

    _replace("preprocess_text", preprocess_text, search, doc_chat_agent)
    _replace("number_segments", number_segments, utils, relevance_extractor_agent)


def _replace(name: str, function: Callable[..., Any], *modules: ModuleType) -> None:
    for module in modules:
        setattr(module, name, function)


@functools.cache
def _has_nltk_data() -> bool:
    import nltk

    try:
        for resource in NLTK_DATA:
            nltk.data.find(resource)
    except LookupError:
        logger.info("documents are searched without NLTK's data (punkt, wordnet, stopwords), which is not installed")
        return False
    return True


@functools.cache
def _stand_in_for_tokenizers() -> None:
    import nltk

    nltk.sent_tokenize = _unless_missing(nltk.sent_tokenize, sentences_of)
    nltk.word_tokenize = _unless_missing(nltk.word_tokenize, str.split)


def _unless_missing(find: F, ours: Callable[[str], list[str]]) -> F:
    """A tokenizer of NLTK's; ours where its data is not installed."""

    @functools.wraps(find)
    def tokenize(text: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return find(text, *args, **kwargs)
        except LookupError:
            return ours(text)

    return cast(F, tokenize)


def share_stores() -> None:
    """Let all sessions of this process use one Qdrant store on disk (qdrant-client 1.15.1, local/qdrant_local.py:121).

    It locks its folder: a second session would have an empty store beside it, a third none (vector_store/qdrantdb.py).
    """
    from langroid.vector_store.qdrantdb import QdrantDB

    make, create = QdrantDB.__init__, QdrantDB.create_collection

    @functools.wraps(make)
    def make_shared(self: Any, *args: Any, **kwargs: Any) -> None:
        _share_stores_of_qdrant()
        make(self, *args, **kwargs)

    @functools.wraps(create)
    def create_alone(self: Any, *args: Any, **kwargs: Any) -> None:
        """It deletes an empty one first (vector_store/qdrantdb.py:296), which another session may be about to fill."""
        store = self.client._client
        with getattr(store, "_using", nullcontext()):  # a remote one has no lock of ours
            create(self, *args, **kwargs)

    QdrantDB.__init__ = make_shared  # type: ignore[method-assign]  # patched
    QdrantDB.create_collection = create_alone  # type: ignore[method-assign]


_lock = threading.RLock()
_stores: WeakValueDictionary[str, Any] = WeakValueDictionary()  # by their folders; guarded by _lock


def _share_stores_of_qdrant() -> None:
    """Put ours in the place of Qdrant's, once; when a store is made, since the import takes a second."""
    with _lock:  # a cache alone would let two sessions that begin at once each make a class
        _put_ours_in_place()


@functools.cache
def _put_ours_in_place() -> None:
    from qdrant_client import qdrant_client
    from qdrant_client.local.qdrant_local import QdrantLocal

    class SharedStore(QdrantLocal):
        """A store that is made once for each folder, used by one thread at a time, and closed when nobody has it."""

        _using: threading.RLock

        def __new__(cls, location: str, *args: Any, **kwargs: Any) -> SharedStore:
            path = location if location == ":memory:" else os.path.abspath(location)
            with _lock:
                store = None if path == ":memory:" else _stores.get(path)
                if store is None:
                    store = super().__new__(cls)
                    store._using = threading.RLock()
                    QdrantLocal.__init__(store, location, *args, **kwargs)
                    if path != ":memory:":
                        _stores[path] = store
                return cast(SharedStore, store)

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            """It is made already."""

        def close(self, **kwargs: Any) -> None:
            """Of one user; the others go on. What is in it was written when it came."""

    for name, method in vars(QdrantLocal).items():
        if callable(method) and not name.startswith("_") and name != "close":
            setattr(SharedStore, name, _one_at_a_time(method))
    vars(qdrant_client)["QdrantLocal"] = SharedStore


def _one_at_a_time(method: F) -> F:
    @functools.wraps(method)
    def locked(self: Any, *args: Any, **kwargs: Any) -> Any:
        with self._using:
            return method(self, *args, **kwargs)

    return cast(F, locked)
