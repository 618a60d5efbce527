"""The secret key of a development server."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def development_secret(path: Path) -> str:
    """Return the key kept in `path`; the first caller makes it, readable for this account alone."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)  # fails where another process was first: both then read the same key
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
