"""Agents on documents, tables, databases and an MCP server: what the extras `rag`, `sql` and `mcp` are for."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import langroid as lr
import pandas as pd
from langroid.agent.special.doc_chat_agent import DocChatAgent, DocChatAgentConfig
from langroid.agent.special.relevance_extractor_agent import RelevanceExtractorAgentConfig
from langroid.agent.special.sql.sql_chat_agent import SQLChatAgent, SQLChatAgentConfig
from langroid.agent.special.table_chat_agent import TableChatAgent, TableChatAgentConfig
from langroid.vector_store.qdrantdb import QdrantDBConfig

from chat.agents import AgentContext
from chat.agents.embeddings import WordEmbeddingsConfig


def data_dir() -> Path:
    return Path(os.environ["DATA_DIR"])


def _documents(config: DocChatAgentConfig) -> DocChatAgent:
    config.doc_paths = sorted(str(path) for path in (data_dir() / "documents").iterdir())
    return DocChatAgent(config)


def _store() -> QdrantDBConfig:
    embedding = WordEmbeddingsConfig()
    return QdrantDBConfig(cloud=False, collection_name="documents", storage_path=_store_path(), embedding=embedding)


def _store_path() -> str:
    return str(data_dir() / "store")


def documents(context: AgentContext) -> lr.ChatAgent:
    """Langroid's defaults, but for where the documents are, what embeds them, and how its extractor calls its tool."""
    extractor = RelevanceExtractorAgentConfig(llm=None, use_functions_api=True, use_tools=False)
    config = DocChatAgentConfig(llm=context.llm(), vecdb=_store(), assistant_mode=True)
    config.relevance_extractor_config = extractor
    return _documents(config)


def talk(context: AgentContext) -> lr.ChatAgent:
    """A question that follows is made one that makes sense alone first."""
    return _documents(DocChatAgentConfig(llm=context.llm(), vecdb=_store(), relevance_extractor_config=None))


def table(context: AgentContext) -> lr.Task:
    frame = pd.DataFrame({"name": ["Ada", "Alan", "Grace"], "born": [1815, 1912, 1906]})
    return lr.Task(TableChatAgent(TableChatAgentConfig(data=frame)), interactive=False)


def _sql(uri: str, context: AgentContext, **options: bool) -> lr.Task:
    config = SQLChatAgentConfig(
        llm=context.llm(), database_uri=uri, use_functions_api=True, use_tools=False, use_helper=False, **options
    )
    return lr.Task(SQLChatAgent(config), interactive=False)


def sqlite(context: AgentContext) -> lr.Task:
    return _sql(f"sqlite:///file:{data_dir()}/people.sqlite3?mode=ro&uri=true", context)


def postgres(context: AgentContext) -> lr.Task:
    """What its role may do is all that keeps it from writing."""
    return _sql(os.environ["PEOPLE_DATABASE"], context, allow_dangerous_operations=True)


def mcp(context: AgentContext) -> lr.ChatAgent:
    """Its tools are those of a server over stdio, which is a process of the session."""
    from fastmcp.client.transports import StdioTransport
    from langroid.agent.tools.mcp import get_tools

    server = StdioTransport(command=sys.executable, args=["-m", "tests.mcp_server"])
    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(), use_functions_api=True, use_tools=False))
    agent.enable_message(get_tools(server))
    return agent


async def kept_mcp(context: AgentContext) -> lr.ChatAgent:
    """The same with one connection for the whole session, so the server keeps what it was told."""
    from fastmcp.client.transports import StdioTransport
    from langroid.agent.tools.mcp import FastMCPClient

    await asyncio.sleep(0)
    server = StdioTransport(command=sys.executable, args=["-m", "tests.mcp_server"])
    client = FastMCPClient(server, persist_connection=True)
    await client.connect()
    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm(), use_functions_api=True, use_tools=False))
    agent.enable_message(await client.get_tools_async())
    return agent
