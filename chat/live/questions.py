"""What an agent asks inside a turn, and the answers that come back. Asked in the agent's thread."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable

from chat.live.hold import Hold
from chat.live.inbox import Inbox, InboxClosed
from chat.live.progress import Progress
from chat.live.waiting import Resumption, is_same, stored
from chat.mends.sqlite import connected
from chat.mends.statements import update
from chat.models import Conversation, Message
from chat.observer import Answer, PendingCall, Question
from chat.wire.events import InputRequest
from chat.wire.frames import encode, fits, size_of
from chat.wire.values import clean, clean_json, text_or_none, visible

CAPACITY = 1000
MAX_PROMPT_CHARS = 4000  # of a question that no frame holds
MAX_PART_BYTES = 64 * 1024
TOO_LONG = "(This is too long to be shown whole.)"


class Questions:
    """The questions of one session, one at a time. `halted` says that a stop has come, or the end."""

    def __init__(self, hold: Hold, progress: Progress, *, halted: Callable[[], bool]) -> None:
        self._hold = hold
        self._progress = progress
        self._halted = halted
        self._answers: Inbox[tuple[str, Answer | None]] = Inbox(CAPACITY)
        self._asking = threading.Lock()  # one question at a time
        self.asked_at = 0.0  # when the last one was asked (monotonic)
        self.pending: Callable[[], tuple[PendingCall, ...]] = tuple  # what the next one interrupts
        self._given: Resumption | None = None  # an answer that was given before this agent was made

    # -- the pages' side: any thread --------------------------------------------------------------------------------

    def answer(self, request_id: str, answer: Answer | None) -> None:
        """Give the agent the answer, already committed, to its open question."""
        self._answers.put((request_id, answer))

    def interrupt(self) -> None:
        """Wake whoever waits for an answer, to see that the turn is halted."""
        self._answers.put(("", None))

    def close(self) -> None:
        self._answers.close()

    # -- the agent's side -------------------------------------------------------------------------------------------

    def drop_late(self) -> None:
        """Forget answers that came too late. Inside the progress's lock."""
        while not self._answers.empty() and not self._progress.is_closing:
            self._answers.get()

    def ask(self, question: Question) -> Answer | None:
        """Ask, and wait for the answer; None: stopped, timed out or hung up."""
        event = _request(question, self._progress.turn)
        before, self._given = self._given, None
        if before and is_same(before.question, event):
            return before.answer
        if question.kind == "approval" and question.tool_name and self._is_allowed(question.tool_name):
            return Answer(content="Approved", approved=True, always=True)
        with self._asking:
            self._pose(question, event)
            answer = self._wait_for(event["request_id"], question.timeout_seconds)
            given = self._settle(event["request_id"])
            if answer is None and given and not self._halted():
                return given.as_answer()  # accepted while the time ran out
            return answer

    def _is_allowed(self, tool_name: str) -> bool:
        """True for a tool that the user lets run in this conversation without being asked."""
        with connected():
            row = Conversation.objects.filter(id=self._hold.conversation_id).values_list("allowed", flat=True)
            return tool_name in row.get()

    def give(self, resumed: Resumption | None) -> None:
        """A turn begins; it may ask what has been answered already."""
        self._given = resumed

    def _pose(self, question: Question, event: InputRequest) -> None:
        self._hold.check()
        progress = self._progress
        left = stored(event, self.pending())
        with self._hold.transaction() as conversation:
            conversation.question, conversation.state = event, Conversation.State.WAITING
            conversation.asking = left
            update(conversation, "question", "state", "asking")
        self.asked_at = time.monotonic()
        with progress.lock:
            progress.question, progress.works = event, event["agent"]
            seconds = question.timeout_seconds
            progress.question_ends = None if seconds is None else self.asked_at + seconds
            progress.move(Conversation.State.WAITING)
        progress.emit(event)

    def _wait_for(self, request_id: str, timeout: float | None) -> Answer | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._halted():
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                answered, answer = self._answers.get(left)
            except (InboxClosed, queue.Empty):
                return None
            if answered == request_id:
                return answer
        return None

    def _settle(self, request_id: str) -> Message | None:
        """Close the question; return the accepted answer, if there is one."""
        given: Message | None = None
        with self._hold.transaction() as conversation:
            if conversation.question and conversation.question["request_id"] == request_id:
                conversation.question = None  # nobody has answered
            else:
                given = conversation.messages.filter(request_id=request_id).first()
            conversation.state, conversation.asking = Conversation.State.RUNNING, None
            update(conversation, "question", "state", "asking")
        with self._progress.lock:
            self._progress.question = None
            self._progress.move(Conversation.State.RUNNING)
        self._progress.emit()
        return given


def _request(question: Question, turn: uuid.UUID | None) -> InputRequest:
    event = InputRequest(
        type="input_request",
        request_id=str(uuid.uuid4()),
        turn=text_or_none(turn),
        prompt=visible(clean(question.prompt)) if question.kind == "approval" else clean(question.prompt),
        kind=question.kind,
        options=clean_json(list(question.options)),
        agent=visible(clean(question.agent)),
        timeout=question.timeout_seconds,
    )
    if question.schema is not None:
        event["schema"] = clean_json(question.schema)
    if question.tool_name is not None:
        event["tool_name"] = visible(clean(question.tool_name))
    if question.permission is not None:
        event["permission"] = question.permission
    if question.tool_args is not None:
        event["tool_args"] = clean_json(question.tool_args)
    return event if fits(encode(event)) else _cut(event)


def _cut(event: InputRequest) -> InputRequest:
    """A question that no frame holds, without what is too long of it; it says so."""
    event["prompt"] = f"{event['prompt'][:MAX_PROMPT_CHARS]}\n\n{TOO_LONG}"
    if size_of(encode(event["options"])) > MAX_PART_BYTES:
        event["options"] = []
    for name in ("schema", "tool_args"):
        if size_of(encode(event.get(name))) > MAX_PART_BYTES:
            event[name] = {TOO_LONG: True}
    return event
