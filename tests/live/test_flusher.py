"""The pace at which the process sends."""

from __future__ import annotations

import random

from chat.live.flusher import BUSY_FLUSH_SECONDS, FLUSH_SECONDS, Pace

MANY = 30  # sessions that begin at the same time: 750 sends a second, if nothing made them wait


def test_many_answers_that_begin_at_once_are_slowed_down_before_they_fill_the_processor():
    pace, now = Pace(), 100.0
    for _ in range(5):
        now += FLUSH_SECONDS
        pace.count(MANY, now)

    assert pace.interval() == BUSY_FLUSH_SECONDS


def test_the_pace_is_quick_again_once_the_load_is_gone():
    pace, now = Pace(), 100.0
    for _ in range(20):
        now += FLUSH_SECONDS
        pace.count(MANY, now)

    pace.count(1, now + 1.0)

    assert pace.interval() == FLUSH_SECONDS


def test_one_session_by_itself_is_never_slowed_down():
    pace, now = Pace(), 100.0
    for _ in range(100):
        now += FLUSH_SECONDS
        pace.count(1, now)
        assert pace.interval() == FLUSH_SECONDS


def test_the_sends_of_many_sessions_fall_on_common_beats_while_the_pace_changes():
    pace, chance = Pace(), random.Random(7)
    due = {session: chance.uniform(100.0, 101.0) for session in range(50)}
    sends = hops = 0
    while (now := min(due.values())) < 104.0:
        sent = [session for session, at in due.items() if at <= now]
        pace.count(len(sent), now)
        for session in sent:
            due[session] = pace.next_beat(now + pace.interval() + chance.uniform(0.0, 0.010))
        sends, hops = sends + len(sent), hops + 1

    assert sends / hops > 4  # each with a beat of its own: 1
