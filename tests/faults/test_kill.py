"""A bounded sample of `python -m tests.faults.kill`."""

from __future__ import annotations

from tests.faults.kill import kill_again_and_again
from tests.faults.uploads import KillingFiles


async def test_no_promise_is_broken_by_killing_the_server(tmp_path):
    summary = await kill_again_and_again(4, pages=4, seed=7, kind="daphne", postgres=False, folder=tmp_path)
    assert not summary.broken, "\n".join(summary.broken)
    assert summary.kills == 4 and summary.interrupted and summary.kept_chars, str(summary)


async def test_nor_in_the_middle_of_uploads_and_of_what_is_shown(tmp_path):
    summary = await kill_again_and_again(
        2, pages=3, seed=5, kind="daphne", postgres=False, folder=tmp_path, killing=KillingFiles
    )
    assert not summary.broken, "\n".join(summary.broken)
    assert summary.kills == 2 and summary.files, str(summary)
