"""Fixtures of the tests of what runs in an agent's thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_is_left_behind() -> Iterator[None]:
    """A session that has ended leaves nothing in Langroid's registry."""
    from langroid.utils.object_registry import ObjectRegistry

    before = set(ObjectRegistry.registry)
    yield
    assert set(ObjectRegistry.registry) <= before
