"""A short sample of `python -m tests.faults.soak` and `python -m tests.faults.storm`."""

from __future__ import annotations

import pytest

from tests.faults import soak, storm


async def test_threads_and_files_do_not_grow_with_the_turns(tmp_path):
    result = await soak.run(turns=100, pages=4, kind="daphne", folder=tmp_path, warm_up=40)
    first, last = result.samples[0], result.samples[-1]
    assert last.threads - first.threads <= 3 and last.files - first.files <= 3, str(result)
    assert last.rss_mb - first.rss_mb < 15, str(result)


async def test_memory_does_not_grow_with_what_is_shown(tmp_path):
    result = await soak.run(turns=50, pages=2, kind="daphne", folder=tmp_path, warm_up=30, plots=True)
    first, last = result.samples[0], result.samples[-1]
    assert last.rss_mb - first.rss_mb < 25, str(result)  # a figure that is kept has more than a megabyte
    assert last.files - first.files < 25, str(result)  # a file for each turn would be 50; connections come and go
    assert len([path for path in (tmp_path / "attachments").rglob("*") if path.is_file()]) == 80


@pytest.mark.parametrize("stored", [False, True], ids=["empty", "stored"])
async def test_all_pages_come_back_after_a_restart(tmp_path, stored):
    result = await storm.run(sockets=200, kind="daphne", folder=tmp_path, stored=stored)
    assert (result.told, result.model_calls) == (200, 0) and result.back_seconds < storm.BACK_SECONDS, str(result)
    assert result.failures < 20, str(result)
