"""Embeddings without a model and without a network: a text is the words that are in it.

    QdrantDBConfig(embedding=WordEmbeddingsConfig(), …)

Texts with the same words are near each other, others are not: enough for a demonstration, for tests and for a search by
keywords. Each word counts at one place of the vector, told by its hash, so any process makes the same vector. It takes
the place of OpenAI's embeddings where the mock model takes the place of a model.
"""

# ruff: noqa: E402
from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

from chat.agents.langroid import mends, setup

setup.import_langroid()

from langroid.embedding_models.base import EmbeddingModel, EmbeddingModelsConfig
from langroid.embedding_models.models import OpenAIEmbeddingsConfig
from pydantic_settings import SettingsConfigDict

from chat.agents.langroid.words import words_of
from chat.agents.llm import uses_mock_model

Vector = list[float]


class WordEmbeddingsConfig(EmbeddingModelsConfig):
    """How long the vectors are."""

    # Langroid's configs take fields from the environment; without a prefix a variable DIMS would do.
    model_config = SettingsConfigDict(env_prefix="CHAT_WORD_EMBEDDINGS_")

    model_type: str = "words"
    dims: int = 512


class WordEmbeddings(EmbeddingModel):
    """The model of a `WordEmbeddingsConfig`. Thread-safe."""

    def __init__(self, config: WordEmbeddingsConfig) -> None:
        self.config = config

    def embedding_fn(self) -> Callable[[Sequence[str]], list[Vector]]:
        return lambda texts: [vector_of(text, dims=self.config.dims) for text in texts]

    @property
    def embedding_dims(self) -> int:
        return self.config.dims


def vector_of(text: str, *, dims: int) -> Vector:
    """Return the text's vector, of length 1. One without words has its only value at the first place."""
    vector = [0.0] * dims
    for word in words_of(text):
        number = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        vector[number % dims] += 1.0
    length = math.hypot(*vector)
    if not length:
        vector[0] = length = 1.0
    return [value / length for value in vector]


def _make_by_config() -> None:
    """Let a vector store's config make ours (langroid 0.69.16, embedding_models/base.py, `create`)."""
    create = vars(EmbeddingModel)["create"].__func__

    def create_ours(cls: type[EmbeddingModel], config: EmbeddingModelsConfig) -> EmbeddingModel:
        if isinstance(config, OpenAIEmbeddingsConfig) and not (config.api_key or config.api_base) and uses_mock_model():
            config = WordEmbeddingsConfig()
        return WordEmbeddings(config) if isinstance(config, WordEmbeddingsConfig) else create(cls, config)

    EmbeddingModel.create = classmethod(create_ours)  # type: ignore[method-assign, assignment]  # patched


if mends.EMBEDDINGS.holds:
    _make_by_config()
