"""The lease of a server process on the conversations that it owns: `ServerProcess.renewed`, by the database's clock."""

from __future__ import annotations

import os
import socket
import uuid

from chat.models import Conversation, ServerProcess


def register() -> ServerProcess:
    """Make this process's row, and end those of dead processes of this host at once."""
    host = _host()
    for other in ServerProcess.objects.filter(host=host, ended=None):
        if not _runs(other.pid) or other.pid == os.getpid():
            other.end()
    return ServerProcess.objects.create(host=host, pid=os.getpid())


def _host() -> str:
    """This machine, and where pids are told apart by namespace (containers may share a host name) also that."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def live_owner(conversation_id: uuid.UUID) -> uuid.UUID | None:
    """The live process that owns the conversation, if there is one."""
    owner = Conversation.objects.filter(id=conversation_id).values_list("owner_process", flat=True).first()
    return owner if ServerProcess.is_alive(owner) else None
