# ruff: noqa: E402
"""Sessions of one process that make the same store at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chat.agents.langroid import setup

setup.import_langroid()

from langroid.vector_store.qdrantdb import QdrantDB, QdrantDBConfig

from chat.agents.embeddings import WordEmbeddingsConfig

SESSIONS = 8


def test_sessions_that_begin_at_once_all_get_the_store(tmp_path):
    config = QdrantDBConfig(
        cloud=False, collection_name="documents", storage_path=str(tmp_path / "store"), embedding=WordEmbeddingsConfig()
    )
    with ThreadPoolExecutor(SESSIONS) as threads:
        made = list(threads.map(lambda _: QdrantDB(config.model_copy()), range(5 * SESSIONS)))
    assert {database.client.collection_exists("documents") for database in made} == {True}
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
