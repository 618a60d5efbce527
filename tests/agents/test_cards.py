"""The cards of tools (`CARDS`): what people see of a call and its result, and what an author may write there."""

# ruff: noqa: E402
from __future__ import annotations

import json

import pytest

from chat.agents.langroid import setup

setup.import_langroid()  # first of all

import langroid as lr

from chat.checks import check_agents
from chat.testing import call, say

MOONS = [{"planet": "Earth", "moons": 1}, {"planet": "Saturn", "moons": 274}]
HITS = [{"title": "Moons", "url": "https://example.org/moons", "snippet": "Saturn has 274."}, {"title": "No page"}]
FOUND = "Title: Moons\nLink: https://example.org/moons\nSummary: Saturn\nhas 274.\n\nTitle: Rings\nLink: x\nSummary: -"
LETTER = '<p>To <b>{{ args.to }}</b>: {{ result.text }}</p><script>alert(1)</script><img src="x" onerror="x()">'
RESULTS = {
    "rows": MOONS,
    "tuples": "('Earth', 1),\n('Saturn', 274)",
    "markdown": "| planet | moons |\n|---|---:|\n| Earth | 1 |\n| Saturn | 274 |",
    "words": "There are none.",
    "hits": HITS,
    "found": FOUND,
    "json": json.dumps({"deep": {"er": 1}}),
    "letter": {"text": "<i>Come</i> to lunch"},
    "fails": None,
}
CARDS = {
    "run_query": "sql",
    "find": "search",
    "run": "code",
    "list": "table",
    "look": "json",
    "letter": "letter.html",
    "odd": "broken.html",
}


def cards(context) -> lr.ChatAgent:
    def tool(name: str) -> type[lr.ToolMessage]:
        class Any(lr.ToolMessage):
            request: str = name
            purpose: str = "To do something with <query>."
            query: str = ""
            code: str = ""
            language: str = ""
            to: str = ""
            gives: str = "words"

            def handle(self):
                if self.gives == "fails":
                    raise RuntimeError("no")
                if self.gives == "asks":
                    return "yes" if context.ask.approval("May I?") else "no"
                return RESULTS[self.gives]

        return Any

    agent = lr.ChatAgent(lr.ChatAgentConfig(llm=context.llm()))
    agent.enable_message([tool(name) for name in [*CARDS, "plain"]])
    return agent


@pytest.fixture(autouse=True)
def agents(settings, tmp_path):
    (tmp_path / "letter.html").write_text(LETTER)
    (tmp_path / "broken.html").write_text("{{ args.to|divisibleby:'x' }}")
    (tmp_path / "unreadable.html").write_text("{% nothing %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    settings.CHAT_AGENTS = {"cards": {"FACTORY": "tests.agents.test_cards.cards", "CARDS": CARDS}}


@pytest.fixture
def run(chat_agent):
    """Run a tool; return the parts of its card, and the turn."""

    def run(name: str, **args):
        agent = chat_agent("cards", model=[call(name, **args), say("There.")])
        reply = agent.say("Go")
        (result,) = (record for record in reply.records if record["type"] == "tool_result")
        return result.get("parts", []), agent, reply

    return run


@pytest.mark.parametrize("gives", ["rows", "markdown"])
def test_sql_shows_the_statement_in_colours_and_its_rows_as_a_table(run, gives):
    (code, table), agent, reply = run("run_query", query="SELECT planet, moons FROM t", gives=gives)
    assert code["kind"] == "code" and code["text"] == "SELECT planet, moons FROM t" and code["language"] == "sql"
    assert '<span class="k">SELECT</span>' in code["html"]
    assert table["kind"] == "table" and table["columns"] == ["planet", "moons"]
    assert [[str(cell) for cell in row] for row in table["rows"]] == [["Earth", "1"], ["Saturn", "274"]]
    assert table["attachment"]["url"] and reply.parts == [code, table]  # not once more beside the card
    (began,) = (event for event in agent.events if event["type"] == "tool_call")
    assert began["parts"] == [code]


def test_rows_without_names_have_those_of_the_statement(run):
    import sqlglot  # noqa: F401  (an agent of Langroid's for SQL has it)

    (_, table), _, _ = run("run_query", query="SELECT planet, count(*) AS n FROM t", gives="tuples")
    assert table["columns"] == ["planet", "n"] and table["rows"] == [["Earth", 1], ["Saturn", 274]]
    (_, table), _, _ = run("run_query", query="SELECT * FROM t", gives="tuples")
    assert table["columns"] == ["1", "2"]


@pytest.mark.parametrize(("gives", "titles"), [("hits", ["Moons", "No page"]), ("found", ["Moons", "Rings"])])
def test_a_search_shows_its_hits(run, gives, titles):
    (found,), _, _ = run("find", query="moons", gives=gives)
    assert found["kind"] == "hits" and [hit["title"] for hit in found["hits"]] == titles
    assert found["hits"][0]["url"] == "https://example.org/moons" and "274" in found["hits"][0]["text"]


def test_code_is_shown_in_its_language_and_its_result_stays_a_text(run):
    (code,), _, reply = run("run", code="print(1)")
    assert (code["language"], code["text"]) == ("python", "print(1)") and reply.tools[0].result == "There are none."
    (code,), _, _ = run("run", code="ls", language="bash")
    assert code["language"] == "bash"


def test_code_is_seen_while_the_agent_asks_whether_it_may_run(chat_agent):
    agent = chat_agent("cards", model=[call("run", code="rm -r x", language="bash", gives="asks"), say("Done.")])
    agent.say("Go")
    agent.reload()
    (began,) = (event for event in agent.events if event["type"] == "tool_call")
    assert began["parts"][0]["text"] == "rm -r x" and agent.asked
    agent.approve()


def test_a_table_and_json_are_shown_as_such(run):
    assert run("list", gives="rows")[0][0]["rows"] == [["Earth", 1], ["Saturn", 274]]
    assert run("look", gives="json")[0] == [{"kind": "json", "name": "Result", "alt": "", "value": {"deep": {"er": 1}}}]


def test_an_author_s_template_is_rendered_and_sanitised(run):
    (part,), _, _ = run("letter", to="<b>Ada</b>", gives="letter")
    assert part["kind"] == "html"
    assert part["html"] == "<p>To &lt;b&gt;Ada&lt;/b&gt;: &lt;i&gt;Come&lt;/i&gt; to lunch</p>"


@pytest.mark.parametrize("name", ["find", "list", "look", "odd", "plain"])
def test_what_is_only_a_text_stays_one(run, name):
    parts, _, reply = run(name, to="x")
    assert parts == [] and reply.tools[0].result == "There are none." and reply.text == "There."


def test_a_tool_that_fails_keeps_its_code(run):
    (code,), _, reply = run("run_query", query="SELECT 1", gives="fails")
    assert code["kind"] == "code" and reply.tools[0].status == "error"


def test_the_card_comes_again_and_the_model_gets_what_it_got_without_it(run):
    parts, agent, _ = run("run_query", query="SELECT 1", gives="rows")
    before = agent.model.requests[-1][-1]["content"]
    agent.reload()
    (result,) = (record for record in agent.records if record["type"] == "tool_result")
    assert result["parts"] == parts and "Saturn" in before


@pytest.mark.parametrize(
    ("value", "id"),
    [
        ({"x": "sql"}, None),
        ({"x": ""}, None),
        ({"x": "letter.html"}, None),
        (["x"], "E004"),
        ({"x": 1}, "E004"),
        ({"x": "sqll"}, "E005"),
        ({"x": "nowhere.html"}, "E005"),
        ({"x": "unreadable.html"}, "E005"),
    ],
)
def test_a_wrong_card_is_a_system_check(settings, value, id):
    settings.CHAT_AGENTS = {"cards": {**settings.CHAT_AGENTS["cards"], "CARDS": value}}
    assert [problem.id for problem in check_agents()] == ([f"chat.{id}"] if id else [])
