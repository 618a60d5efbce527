"""The numbers of the protocol: its version, the sizes of frames, the codes with which a socket is closed."""

from __future__ import annotations

VERSION = 1
MAX_FRAME_BYTES = 256 * 1024  # of a frame that the server sends (Daphne's limit of 1 MiB holds in both directions)
MAX_COMMAND_BYTES = 64 * 1024  # of a frame that a client sends
CHUNK_CHARS = 16_000  # of one chunk: JSON makes at most 6 bytes of a character, and HTML may double that
SNAPSHOT_CHARS = 32_000  # of one part of a long text so far
CLOSE_ABUSE = 4400
CLOSE_SIGN_IN = 4401
CLOSE_NOT_FOUND = 4404
CLOSE_TOO_SLOW = 4408
CLOSE_ELSEWHERE = 4409
CLOSE_TOO_LARGE = 4413
CLOSE_RATE = 4429
CLOSE_FULL = 4503
CLOSE_RESTART = 4012
