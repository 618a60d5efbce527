"""What passes between server processes: commands for the owner of a conversation, and snapshots of what runs there.

Each process hears a group of its own. Nothing here has to arrive: what a command asks for is stored where the owner's
tick finds it, and a page whose question is not answered in time gets the checkpoint. All on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from channels.layers import get_channel_layer

from chat.live.layer import tell
from chat.live.snapshot import Snapshot

logger = logging.getLogger(__name__)

ASK_SECONDS = 0.5  # longest wait for another process's answer
UNHEARD_SECONDS = 2.0  # a process that did not answer is not asked again for so long

Work = Coroutine[Any, Any, None]


class Relay:
    """The wire between this process and the others."""

    def __init__(self, *, heard: Callable[[dict[str, Any]], Work], spawn: Callable[[Work], None]) -> None:
        """`heard` does what a command of another process says; `spawn` runs work in the background."""
        self._act = heard
        self._spawn = spawn
        self._listener: asyncio.Task[None] | None = None
        self._id: uuid.UUID | None = None  # under which this process listens
        self._replies: dict[str, asyncio.Future[Any]] = {}
        self._unheard: dict[uuid.UUID, float] = {}  # processes that did not answer, and when

    def listen(self, process_id: uuid.UUID) -> None:
        """Hear what other processes send to this one."""
        self._id = process_id
        self._listener = asyncio.create_task(self._listen(process_id))

    def end(self) -> None:
        """Hear nothing any more, until the next `listen`."""
        if self._listener:
            self._listener.cancel()

    def send(self, process_id: uuid.UUID, command: dict[str, Any]) -> None:
        """Send a command to another process. Does not wait."""
        tell(_group_of_process(process_id), {"type": "chat.command", **command})

    async def ask(self, process_id: uuid.UUID, conversation_id: uuid.UUID, *, html: bool) -> Snapshot | None:
        """Ask another process what runs in a conversation. None when nothing does, or no answer comes in time."""
        if time.monotonic() - self._unheard.get(process_id, -UNHEARD_SECONDS) < UNHEARD_SECONDS:
            return None  # its pages get the checkpoint meanwhile, and wait for nobody
        token = uuid.uuid4().hex
        future = self._replies[token] = asyncio.get_running_loop().create_future()
        question = {"conversation": str(conversation_id), "html": html}
        question |= {"command": "snapshot", "token": token, "from": str(self._id)}
        self.send(process_id, question)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reply = await future
        except TimeoutError:
            self._unheard[process_id] = time.monotonic()
            return None
        finally:
            self._replies.pop(token, None)
        self._unheard.pop(process_id, None)
        return Snapshot.from_json(reply) if reply else None

    def reply(self, question: dict[str, Any], snapshot: Snapshot | None) -> None:
        """Send the snapshot that another process has asked for."""
        text = snapshot.to_json() if snapshot else ""
        reply = {"command": "reply", "token": question["token"], "snapshot": text}
        self.send(uuid.UUID(question["from"]), reply)

    async def _listen(self, process_id: uuid.UUID) -> None:
        layer = get_channel_layer()
        pause = 0.0
        while True:
            try:
                channel = await layer.new_channel("chat.process")
                await layer.group_add(_group_of_process(process_id), channel)
                while True:
                    message = await layer.receive(channel)
                    self._spawn(self._heard(message))
                    pause = 0.0
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the layer is away: the tick does its work meanwhile
                pause = min(pause + 0.5, 5.0)
                logger.warning("not hearing other processes: %s", type(error).__name__)
                await asyncio.sleep(pause)

    async def _heard(self, message: dict[str, Any]) -> None:
        if message["type"] != "chat.command":
            return
        if message["command"] == "reply":
            future = self._replies.get(message["token"])
            if future and not future.done():
                future.set_result(message["snapshot"])
            return
        await self._act(message)


def _group_of_process(id: uuid.UUID) -> str:
    return f"chat.process.{id.hex}"
