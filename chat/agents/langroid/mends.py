"""What is changed in Langroid, with what each change stands on. Imports no Langroid."""

from __future__ import annotations

from chat.mends.mend import Mend, Needs

PACKAGES = ("langroid",)
SETUP = "chat/agents/langroid/setup.py"
DOCUMENTS = "chat/agents/langroid/documents.py"
TURNS = "chat/agents/langroid/turns.py"
MODEL_CALLS = "chat/agents/langroid/model_calls.py"

TASK = "langroid.agent.task"
BASE = "langroid.agent.base"
CHAT_AGENT = "langroid.agent.chat_agent"
OPENAI_GPT = "langroid.language_models.openai_gpt"

WATCH = Mend(
    name="watched agents",
    place=TURNS,
    packages=PACKAGES,
    needs=(
        Needs(
            TASK,
            "Task.__init__",
            mentions="human_tried is_done is_pass_thru max_stalled_steps n_no_answer_alternations n_stalled_steps"
            " only_user_quits_root response_sequence",
        ),
        Needs(TASK, "Task.run", takes="msg turns allow_restart return_type"),
        Needs(TASK, "Task.run_async", takes="msg turns"),
        Needs(TASK, "Task.step", takes="turns"),
        Needs(TASK, "Task.step_async", takes="turns"),
        Needs(TASK, "Task.done", takes="result r"),
        Needs(TASK, "Task._is_done_response", takes="result responder"),
        Needs(TASK, "Task.response", takes="e turns"),
        Needs(TASK, "Task.response_async", takes="e turns"),
        Needs(TASK, "Task._can_respond", takes="e"),
        Needs(TASK, "Task._user_can_respond"),
        Needs(TASK, "Task._recipient_mismatch", takes="e"),
        Needs(TASK, "Task._init_message_counter"),
        Needs(BASE, "Agent.user_response", takes="msg"),
        Needs(BASE, "Agent.user_response_async", takes="msg"),
        Needs(BASE, "Agent.handle_message", takes="msg"),
        Needs(BASE, "Agent.handle_message_async", takes="msg"),
        Needs(BASE, "Agent.handle_tool_message", takes="tool chat_doc"),
        Needs(BASE, "Agent.handle_tool_message_async", takes="tool chat_doc"),
        Needs(BASE, "Agent._maybe_truncate_result", takes="result max_tokens"),
        Needs(BASE, "Agent.has_tool_message_attempt", takes="msg"),
        Needs(BASE, "Agent._get_one_tool_message", takes="tool_candidate_str is_json from_llm"),
        Needs(CHAT_AGENT, "ChatAgent.get_tool_messages", takes="msg"),
        Needs(CHAT_AGENT, "ChatAgent.llm_response_messages", takes="messages"),
        Needs(CHAT_AGENT, "ChatAgent.llm_response_messages_async", takes="messages"),
        Needs(CHAT_AGENT, "ChatAgent.init_message_history"),
        Needs(CHAT_AGENT, "ChatAgent.clear_history", takes="start"),
        Needs("langroid.utils.object_registry", "ObjectRegistry.registry"),
        Needs("langroid.utils.object_registry", "ObjectRegistry.add", takes="obj"),
        Needs("langroid.utils.object_registry", "ObjectRegistry.get", takes="obj_id"),
        Needs("langroid.utils.object_registry", "ObjectRegistry.remove", takes="obj_id"),
    ),
    without="a page would miss what its agent does",
    is_essential=True,
)

PRIVATE = Mend(
    name="nothing shared between users",
    place=SETUP,
    packages=PACKAGES,
    needs=(
        Needs(TASK, "Task.init_loggers"),
        Needs("langroid.utils.configuration", "settings"),
        Needs("langroid.utils.configuration", "Settings.quiet"),
        Needs("langroid.utils.configuration", "Settings.cache"),
        Needs("langroid.utils.configuration", "Settings.cache_type"),
    ),
    without="users of one agent would share its log files and answers",
    is_essential=True,
)

REQUESTS = Mend(
    name="requests of a model call",
    place=MODEL_CALLS,
    packages=PACKAGES,
    needs=(
        Needs(OPENAI_GPT, "OpenAIGPT.chat"),
        Needs(OPENAI_GPT, "OpenAIGPT._chat_completions_with_backoff_body"),
        Needs(OPENAI_GPT, "OpenAIGPT._achat_completions_with_backoff_body"),
        Needs(OPENAI_GPT, "OpenAIGPT.get_stream"),
        Needs(OPENAI_GPT, "OpenAIGPT._stream_response", takes="response chat"),
        Needs(OPENAI_GPT, "OpenAIGPT._stream_response_async", takes="response chat"),
        Needs(
            OPENAI_GPT,
            "OpenAIGPT._create_stream_response",
            takes="chat tool_deltas has_function completion reasoning function_args function_name usage content_present"
            " finish_reason",
        ),
        Needs("langroid.language_models.base", "LanguageModel.get_reasoning_final", takes="message"),
    ),
    without="the SDK reads streamed answers, and one that is cut off is told without the reason",
)

TOO_LONG = Mend(
    name="too long for the model",
    place=MODEL_CALLS,
    packages=PACKAGES,
    needs=(Needs(CHAT_AGENT, "ChatAgent._prep_llm_messages"),),
    without="a message that is too long for the model ends in a failure without a reason",
)

CALLS = Mend(
    name="calls that cannot run",
    place="chat/agents/langroid/tool_calls.py",
    packages=PACKAGES,
    needs=(
        Needs(BASE, "Agent.get_oai_tool_calls_classes", takes="msg"),
        Needs(BASE, "Agent._tool_recipient_match", takes="tool"),
        Needs(BASE, "Agent.tool_validation_error", takes="ve"),
    ),
    without="a call of a tool that does not exist ends the turn, one with wrong arguments keeps others from running",
)

LOOPS = Mend(
    name="loops end the turn",
    place=TURNS,
    packages=PACKAGES,
    needs=(Needs(TASK, "Task._maybe_infinite_loop"),),
    without="an agent that repeats itself ends its session, with a failure",
)

PASSES = Mend(
    name="texts without signals",
    place=TURNS,
    packages=PACKAGES,
    needs=(Needs(TASK, "Task.valid", takes="result r"), Needs(TASK, "Task.__init__", mentions="is_pass_thru")),
    without="an answer that contains __PASS__ is passed on",
)

KILLS = Mend(
    name="no Redis for ending tasks",
    place=TURNS,
    packages=PACKAGES,
    needs=(Needs(TASK, "Task._is_kill"), Needs(TASK, "Task._set_alive"), Needs(TASK, "Task._cache")),
    without="Langroid asks a Redis, or an imitation of it, before each step",
)

KEYS = Mend(
    name="keys from the environment",
    place=SETUP,
    packages=PACKAGES,
    needs=(
        Needs(BASE, "AgentConfig.llm"),
        Needs(OPENAI_GPT, "OpenAIGPTConfig.__init__", mentions="_api_base_was_supplied"),
    ),
    without="agents without a model of their own have no key; those of context.llm() have",
)

COLOURS = Mend(
    name="no colours on the terminal",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs(OPENAI_GPT, "Colors"),),
    without="each streamed answer writes to the server's terminal",
)

LOGS = Mend(
    name="logs under their own names",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs(OPENAI_GPT, "OpenAIGPT.chat", mentions="logging"),),
    without="Langroid's own lines about failed calls, with what the model's server has sent back, reach the log",
)

RETRIES = Mend(
    name="calls that can be stopped",
    place=SETUP,
    packages=PACKAGES,
    needs=(
        Needs(OPENAI_GPT, "OpenAIGPT.chat"),
        Needs("langroid.language_models.utils", "time"),
        Needs("langroid.language_models.utils", "retry_with_exponential_backoff"),
    ),
    without="a stop waits for the model's server, and a failed call is tried more often than asked for",
)

JSON_SCAN = Mend(
    name="JSON in linear time",
    place="chat/agents/langroid/json_scan.py",
    packages=PACKAGES,
    needs=(
        Needs("langroid.parsing.parse_json", "get_json_candidates", mentions="nested_expr"),
        Needs("langroid.parsing.parse_json", "try_repair_json_yaml"),
    ),
    without="Langroid's own search for tool calls is used, which may be slow",
)

LOOPS_IN_LOOPS = Mend(
    name="loops in loops",
    place=SETUP,
    packages=PACKAGES,
    needs=(
        Needs("langroid.agent.batch", "run_batch_tasks"),
        Needs("langroid.agent.batch", "asyncio"),
        Needs("langroid.agent.special.doc_chat_agent", "apply_nest_asyncio"),
    ),
    without="a batch inside of an asynchronous tool fails, and DocChatAgent patches the server's loop",
)

SETTINGS = Mend(
    name="settings of one session",
    place=SETUP,
    packages=PACKAGES,
    needs=(
        Needs("langroid.utils.configuration", "set_global", takes="key_vals"),
        Needs("langroid.utils.configuration", "SettingsProxy.update", takes="new_settings"),
        Needs("langroid.utils.configuration", "SettingsProxy.__setattr__", takes="name value"),
        Needs("langroid.utils.configuration", "_thread_local"),
        Needs("langroid.utils.configuration", "_global_settings"),
    ),
    without="one agent's set_global changes the settings of all users",
)

STDOUT = Mend(
    name="stdout of one thread",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs("langroid.agent.special.table_chat_agent", "TableChatAgent.pandas_eval", mentions="stdout"),),
    without="what others print while a table is asked goes into its answer",
)

REWIND = Mend(
    name="rewinding to an earlier turn",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs("langroid.agent.tools.rewind_tool", "prune_messages", takes="agent idx"),),
    without="RewindTool fails for messages of earlier turns",
)

SITE_MODEL = Mend(
    name="the site's model",
    place="chat/agents/site_model.py",
    packages=PACKAGES,
    needs=(
        Needs(BASE, "Agent.__init__", takes="config"),
        Needs("langroid.embedding_models.models", "OpenAIEmbeddings.__init__", takes="config"),
        Needs("langroid.agent.special.table_chat_agent", "TableChatAgentConfig.llm"),
    ),
    without="agents without a model of their own ask OpenAI's server",
)

CLIENTS = Mend(
    name="clients of a loop",
    place="chat/agents/provider/clients.py",
    packages=PACKAGES,
    needs=(Needs(OPENAI_GPT, "OpenAIGPT._achat_completions_with_backoff_body", mentions="async_client"),),
    without="every second batch of a process may fail",
)

TERMINAL = Mend(
    name="questions at a terminal",
    place="chat/agents/langroid/terminal.py",
    packages=("rich",),
    needs=(Needs("rich.console", "Console.input", takes="prompt"),),
    without="a tool that asks by input() or Prompt.ask waits at the server's terminal, or fails",
)

EMBEDDINGS = Mend(
    name="embeddings by words",
    place="chat/agents/embeddings.py",
    packages=PACKAGES,
    needs=(
        Needs("langroid.embedding_models.base", "EmbeddingModel.create", takes="config"),
        Needs("langroid.embedding_models.models", "OpenAIEmbeddingsConfig.api_base"),
    ),
    without="documents need a model of embeddings, which the mock model has not",
)

NLTK = Mend(
    name="documents without downloads",
    place=DOCUMENTS,
    packages=PACKAGES,
    needs=(
        Needs("langroid.parsing.search", "preprocess_text", takes="text", mentions="download_nltk_resource"),
        Needs("langroid.agent.special.doc_chat_agent", "preprocess_text"),
        Needs("langroid.parsing.utils", "number_segments", takes="s granularity", mentions="nltk"),
        Needs("langroid.agent.special.relevance_extractor_agent", "number_segments"),
    ),
    without="the first document waits for a download of NLTK's data",
)

STORES = Mend(
    name="stores for all sessions",
    place=DOCUMENTS,
    packages=("langroid", "qdrant-client"),
    needs=(
        Needs("langroid.vector_store.qdrantdb", "QdrantDB.__init__", mentions="QdrantClient storage_path"),
        Needs("qdrant_client.qdrant_client", "QdrantLocal"),
        Needs("qdrant_client.local.qdrant_local", "QdrantLocal.__init__", takes="location"),
        Needs("qdrant_client.local.qdrant_local", "QdrantLocal.close"),
    ),
    without="only one session at a time has the documents of a Qdrant store on disk",
)

TOOL_DEFAULTS = Mend(
    name="defaults of tools",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs("langroid.agent.tool_message", "ToolMessage.default_value", takes="f"),),
    without="an agent takes five times as long to make",
)

CONFIGS = Mend(
    name="configs without a search",
    place="chat/agents/langroid/configs.py",
    packages=("pydantic-settings",),
    needs=(
        Needs("pydantic_settings", "BaseSettings"),
        Needs("pydantic_settings.main", "BaseSettings.__init__", takes="_env_file _secrets_dir _cli_parse_args"),
        Needs("pydantic_settings.main", "BaseSettings.settings_customise_sources"),
        Needs("pydantic_settings.main", "BaseSettings._settings_build_values", takes="sources init_kwargs"),
    ),
    without="a new session's agent takes seven times as long to make",
)

TOKEN_COUNTS = Mend(
    name="tokens by length",
    place=SETUP,
    packages=PACKAGES,
    needs=(Needs(CHAT_AGENT, "ChatAgent._message_num_tokens", takes="message"),),
    without="the history is counted by Langroid, in words: the model's server may refuse a long one",
)

MOCK_MODEL = Mend(
    name="mock model",
    place="chat/agents/mock_model.py",
    packages=PACKAGES,
    needs=(Needs("langroid.language_models.base", "LanguageModel.create", takes="config"),),
    without="there is no mock model: an agent needs a real one",
)

DOTENV = Mend(
    name="an import that reads no .env",
    place=SETUP,
    packages=("python-dotenv",),
    needs=(Needs("dotenv", "load_dotenv"),),
    without="Langroid reads .env into the environment",
)

ENCODINGS = Mend(
    name="encodings without a network",
    place=SETUP,
    packages=("tiktoken",),
    needs=(
        Needs("tiktoken.registry", "ENCODINGS"),
        Needs("tiktoken.core", "Encoding.__init__", takes="name pat_str mergeable_ranks special_tokens"),
    ),
    without="the first import of Langroid may wait for a download",
)

CITATIONS = Mend(
    name="sources of answers from documents",
    place="chat/agents/langroid/citations.py",
    packages=PACKAGES,
    needs=(
        Needs("langroid.agent.special.doc_chat_agent", "DocChatAgent.get_summary_answer", takes="question passages"),
    ),
    without="answers of DocChatAgent have no sources",
)

MENDS = (
    *(WATCH, PRIVATE, REQUESTS, TOO_LONG, CALLS, LOOPS, PASSES, KILLS, KEYS, COLOURS, LOGS, RETRIES),
    *(
        JSON_SCAN,
        LOOPS_IN_LOOPS,
        SETTINGS,
        STDOUT,
        REWIND,
        SITE_MODEL,
        CLIENTS,
        EMBEDDINGS,
        NLTK,
        STORES,
        TERMINAL,
        TOOL_DEFAULTS,
        CONFIGS,
        TOKEN_COUNTS,
        MOCK_MODEL,
        DOTENV,
        ENCODINGS,
        CITATIONS,
    ),
)
