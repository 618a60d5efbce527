"""Settings of the server processes that tests start: the example project's, with our agents."""

from webui_project.settings import *  # noqa: F403

NAMES = ["plain", "tools", "json_tools", "team", "mock", "broken", "wrong_type", "slow_start"]
NAMES += ["panics", "forking", "counting", "json_counting", "loop", "letters"]
CHAT_AGENTS = {
    name: {"FACTORY": f"tests.server_agents.{name}", "NAME": name.replace("_", " ").title()} for name in NAMES
}
PATTERNS = ["native", "json", "xml", "handler", "later", "by_itself", "endless", "results", "results_of_sub_task"]
PATTERNS += ["done_if_tool", "typed", "done_sequence", "single_round", "done_if_response", "pair", "trio", "deep"]
PATTERNS += ["addressing", "recipient", "rewinding", "structured", "chain", "forwarding", "passing", "in_rounds"]
PATTERNS += ["greeting"]
CHAT_AGENTS |= {name: {"FACTORY": f"tests.pattern_agents.{name}", "GROUP": "Patterns"} for name in PATTERNS}
DATA = ["documents", "talk", "table", "sqlite", "postgres", "mcp", "kept_mcp"]
CHAT_AGENTS |= {name: {"FACTORY": f"tests.data_agents.{name}", "GROUP": "Patterns"} for name in DATA}
CHAT_AGENTS["in_rounds"]["LIMITS"] = {"TURNS": 4}
CHAT_AGENTS["greeting"]["GREETING"] = "What shall it be?"
CHAT_AGENTS["endless"]["LIMITS"] = {"MODEL_CALLS": 10}
CHAT_AGENTS |= {name: {"FACTORY": f"tests.part_agents.{name}"} for name in ("shows", "shows_at_once", "reads", "steps")}
CHAT_AGENTS["showcase"] = {"FACTORY": "chat.demo.showcase.showcase"}
CHAT_AGENTS["slow_steps"] = {"FACTORY": "tests.part_agents.steps", "OPTIONS": {"SLOW": True}}
CHAT_AGENTS["assistant"] = {"FACTORY": "chat.demo.agents.assistant", "NAME": "Assistant", "STARTERS": ["Hello"]}
CHAT_DEFAULT_AGENT = globals().get("CHAT_DEFAULT_AGENT") or "plain"
CHAT_SHOW_CAUSES = globals().get("CHAT_SHOW_CAUSES", False)  # as in production
CHAT_TURNS_PER_MINUTE = globals().get("CHAT_TURNS_PER_MINUTE", 10_000)
for _name in ("MAX_SOCKETS_PER_IP", "VISITORS_PER_MINUTE", "VISITOR_TURNS_PER_MINUTE", "MAX_RUNNING_VISITOR_TURNS"):
    globals().setdefault(f"CHAT_{_name}", 0)  # all tests come from this machine
CHAT_FRAMES_PER_SECOND = globals().get("CHAT_FRAMES_PER_SECOND", 1000.0)
CHAT_FRAMES_BURST = globals().get("CHAT_FRAMES_BURST", 1000)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
