"""What the mock model says in the place of a real one: a script for each of the agents in `agents.py`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langroid.language_models.base import LLMMessage, Role

from chat.agents.mock_model import Reply, call, last_said

HELP = """\
I am the **built-in mock model**. I answer by rules and know nothing, but I need no key and no network, so everything \
around me can be tried: streaming, stopping, editing, branching, reloading in the middle of an answer.

Ask me for one of these:

- **Show me some Markdown**: headings, a table, code, formulas, lists
- **Tell me a long story**: long enough to stop it, reload the page or open a second tab
- **Think about it first**: an answer with visible reasoning
- **What did I say first?**: the conversation's memory

Anything else I will repeat. To talk to a real model, set `OPENAI_API_KEY` or `OPENAI_API_BASE`, and `CHAT_MODEL`, and \
restart the server."""

MARKDOWN = """\
# Markdown, rendered while it streams

A paragraph with **bold**, *italic*, ~~struck out~~ and `inline code`, and a [link](https://langroid.github.io/langroid/).

## A table

| Planet | Moons | Radius in km | Day |
|:-------|------:|-------------:|:----|
| Earth  |     1 |        6,371 | 24 h |
| Mars   |     2 |        3,390 | 24 h 37 min |
| Saturn |   274 |       58,232 | 10 h 34 min |

## Code

```python
from collections.abc import Iterator


def primes(limit: int) -> Iterator[int]:
    \"\"\"Yield the primes below `limit`, by the sieve of Eratosthenes.\"\"\"
    composite = bytearray(limit)
    for number in range(2, limit):
        if not composite[number]:
            yield number
            composite[number * number :: number] = b"\\1" * len(range(number * number, limit, number))


print(*primes(50))  # 2 3 5 7 11 13 17 19 23 29 31 37 41 43 47
```

```sh
OPENAI_API_KEY=sk-… CHAT_MODEL=gpt-4o ./run.sh
```

## Formulas

Inline, $e^{i\\pi} + 1 = 0$, or on a line of its own:

$$
\\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx = \\sqrt{\\pi}
\\qquad
\\sum_{n=1}^{\\infty} \\frac{1}{n^2} = \\frac{\\pi^2}{6}
$$

## Lists

1. Ordered items
2. with items inside:
   - one
   - two
3. and a third

- [x] a task that is done
- [ ] and one that is not

> Simplicity is prerequisite for reliability.
>
> *Edsger W. Dijkstra*

---

That is most of what a model writes."""

STORY_OPENING = """\
# The Keeper of the Slow Light

On the last rock before the open sea stood a lighthouse whose lamp was slower than any other. It took a whole night to \
turn around once. Captains complained, inspectors wrote reports, and each time the keeper, a woman called Ines, poured \
the inspector a cup of tea and said: "Wait until morning. Then write what you have seen."

"""

STORY_NIGHTS = (
    (
        "The fishermen",
        "a boat came in without an engine, without sails, rowed by two brothers who had not spoken for a year. "
        "The beam reached them when they were about to give up, and it stayed. A quick light would have shown them "
        "the rocks for a second and left them blind for ten. This one walked beside them like a patient friend",
        "We saw the rocks, and then we saw each other",
    ),
    (
        "The whale",
        "something large breathed below the cliff. Ines put out the stove to hear it better. A whale had lost its "
        "way in the bay, and when the beam came round, the animal swam along the bright road on the water, as far as "
        "the light would go, and from there it knew the rest",
        "It went where the light was going, not where the light was",
    ),
    (
        "The mathematician",
        "a guest stayed up with a notebook, and measured. He found that the lamp was not slow at all: it turned "
        "exactly with the stars, so that seen from the sky it always pointed at the same one. He checked it three "
        "times, and then closed his notebook and only looked",
        "Somebody built this for a reader who is far away",
    ),
    (
        "The storm",
        "the wind took the roof of the shed and half of the garden wall. The mechanism stopped. Ines went up with a "
        "rope around her waist and turned the lamp by hand, one tooth of the great wheel for every two breaths, until "
        "she no longer knew whether she moved the light or the light moved her",
        "Forty ships, and I never counted",
    ),
    (
        "The child",
        "a girl from the village asked to stay, because she was afraid of the dark. They sat on the stairs. When the "
        "beam had gone, it was darker than before, and the girl held on to the rail. Then she began to count, and "
        "found that the dark had a length, and that one could know it",
        "It always comes back, you only have to know when",
    ),
    (
        "The inspector",
        "the man with the reports came again, and this time he missed his ferry. At midnight he stood at the window. "
        "At three he asked for a second cup. At sunrise he took the form, crossed out the line for defects, and wrote "
        "one sentence into it that his office could make nothing of",
        "Works as the night does",
    ),
)

STORY_END = """\
---

Years later a machine came, with a new lamp, quick and white, that needed no keeper. Ines trained it for a week, as \
one trains a young dog, and then she went down to the village. But on some nights, the fishermen say, when nobody has \
complained for a long time, the new light slows down by itself, and walks beside a boat for a while.

*The end.*"""

THOUGHTS = """\
The user wants to see how reasoning looks. I should think in small steps. First: what is asked? An answer with some \
thoughts before it. Second: what do I know? That I am a mock model, so I will take a question that I can answer. \
Say: is 221 a prime? It is not even, and its digits add up to 5, so 3 does not divide it. 7 leaves 4. 11 leaves 1. \
13 times 17 is 221. So it is not."""


def small_talk(messages: Sequence[LLMMessage]) -> Reply | str:
    """The assistant without a real model."""
    asked = [message.content or "" for message in messages if message.role == Role.USER]
    text = asked[-1] if asked else ""
    match _topic(text):
        case "markdown":
            return MARKDOWN
        case "story":
            return story()
        case "reasoning":
            return Reply("**221 is not a prime**: it is 13 times 17.", reasoning=THOUGHTS)
        case "help":
            return HELP
        case "memory":
            return _remembered(asked)
    return _repeated(text, len(asked))


def story() -> str:
    nights = (
        f'## {title}\n\nIn the night of the {_ordinal(number)} visit {event}.\n\n"{said}," it was told afterwards.\n\n'
        for number, (title, event, said) in enumerate(STORY_NIGHTS, 1)
    )
    return STORY_OPENING + "".join(nights) + STORY_END


_TOPICS = {
    "markdown": re.compile(r"markdown|table|formula|code", re.I),
    "story": re.compile(r"\bstory\b", re.I),
    "reasoning": re.compile(r"\bthink\b|reason", re.I),
    "memory": re.compile(r"\bfirst\b.{0,200}\?|remember", re.I),
    "help": re.compile(r"\bhelp\b|what can you do|who are you|^\s*(hi|hello|hey)\b", re.I),
}
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,250}\w")


def _topic(text: str) -> str:
    return next((topic for topic, pattern in _TOPICS.items() if pattern.search(text)), "")


def _remembered(asked: Sequence[str]) -> str:
    if len(asked) < 2:
        return "Nothing before this: it is the first message of our conversation that I can see."
    return f"You began with this:\n\n{_quoted(asked[0])}\n\nThat was {len(asked) - 1} of your messages ago."


def _repeated(text: str, count: int) -> str:
    so_far = "This is your first message here." if count == 1 else f"I can see {count} messages of yours by now."
    return f"You said:\n\n{_quoted(text)}\n\n{so_far} I am the mock model; ask for **help** to see what I can show."


def _quoted(text: str) -> str:
    shown = text if len(text) <= 500 else text[:500] + "…"
    return "\n".join(f"> {line}" for line in shown.splitlines() or [""])


def _ordinal(number: int) -> str:
    return ("first", "second", "third", "fourth", "fifth", "sixth")[number - 1]


def toolbox(messages: Sequence[LLMMessage]) -> Reply | str:
    """Calls the tools of `agents.toolbox`."""
    if is_after_tool(messages):
        return f"Here is the result: **{messages[-1].content}**"
    text = last_said(messages)
    if re.search(r"\btime\b|\bdate\b|o'clock|today", text, re.I):
        return call("current_time")
    formula = max(re.findall(r"[-+*/%().\d\s^]+", text), key=len, default="").strip()
    if re.search(r"\d\s*[-+*/%^]", formula):
        return call("calculate", expression=formula.replace("^", "**"))
    return "I can calculate and tell the time. Try **What is (17 + 4) * 2?** or **What time is it?**"


def writer(messages: Sequence[LLMMessage]) -> Reply | str:
    """Drafts, asks the critic, and writes the final text."""
    said = messages[-1].content or ""
    if said.startswith("CRITIC:"):
        return (
            "The sea lifts its grey shoulder, once,\nand lets the boats sleep on it.\n\n"
            "*Shorter, after the critic's advice.*"
        )
    draft = "The grey sea lifts its great grey shoulder once, and lets all of the small boats sleep on it."
    return "My first draft goes to the critic.\n\n" + call("send_tool", to="Critic", content=draft)


def critic(messages: Sequence[LLMMessage]) -> Reply | str:
    return "CRITIC: A good picture. But *grey* stands there twice, and *all of the small* is not needed. Cut both."


def postman(messages: Sequence[LLMMessage]) -> Reply | str:
    """Sends a letter, with the user's approval."""
    if is_after_tool(messages):
        return messages[-1].content or ""
    text = last_said(messages)
    address = _ADDRESS.search(text)
    if not address:
        return "Tell me whom to write to, and what. For example: **Invite alice@example.org to lunch on Friday.**"
    return call("send_letter", to=address[0], text=text.strip())


def receptionist(messages: Sequence[LLMMessage]) -> Reply | str:
    """Checks the guest in, whatever is said."""
    return messages[-1].content or "" if is_after_tool(messages) else call("check_in")


def counter(messages: Sequence[LLMMessage]) -> Reply | str:
    """Adds the number that is said."""
    if is_after_tool(messages):
        return messages[-1].content or ""
    number = re.search(r"-?\d{1,9}", last_said(messages))
    return call("add", number=int(number[0])) if number else "Tell me a number to add. For example: **Add 10.**"


def is_after_tool(messages: Sequence[LLMMessage]) -> bool:
    """True when the last message is the result of a tool that this script has called."""
    before = messages[-2] if len(messages) > 1 else None
    return before is not None and before.role == Role.ASSISTANT and '"request"' in (before.content or "")
