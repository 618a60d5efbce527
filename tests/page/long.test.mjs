/** What a long conversation costs: a chunk touches its own turn, and old turns can be let go and loaded again. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { prepend, trim, turnLog } from "chat/log.js";
import { reduce, shownLog } from "chat/state.js";
import { pathOf, turnOf } from "chat/transcript.js";
import { answer, connection, html, play, read, start, status, user } from "./frames.mjs";

/** Records of so many turns, the first with this seq. */
const turns = (count, from = 1) =>
  Array.from({ length: count }, (_, at) => {
    const [seq, id] = [from + 2 * at, (from + 1) / 2 + at];
    return [user(seq, `u${id}`, { follows: id > 1 ? `u${id - 1}` : null }), answer(seq + 1, `a${id}`, `u${id}`)];
  }).flat();

const LONG = [connection(), ...turns(2000), status("idle")];

test("a chunk copies its own turn and leaves all others, their list and what was made of them", () => {
  const writing = [user(4001, "u2001", { follows: "u2000" }), status("running", "u2001"), start("a2001", "u2001")];
  const before = play(...LONG, ...writing, html("a2001", 0, 0, "<p>one"));
  const after = reduce(before, html("a2001", 1, 0, "<p>one two"), 0);
  assert.notEqual(after, before);
  assert.equal(after.log.turns, before.log.turns);
  assert.equal(after.log.starts, before.log.starts);
  assert.deepEqual(Object.keys(after.log.live), ["u2001"]);
  assert.equal(pathOf(after.log), pathOf(before.log));
  const made = ({ log }, at) => turnOf(log, pathOf(log)[at]).segments;
  assert.equal(made(after, 1999), made(before, 1999));
  assert.notEqual(made(after, 2000), made(before, 2000));
});

test("a chunk of a conversation of 2,000 turns takes no longer than one of ten", () => {
  const stream = [start("x", "u9"), html("x", 0, 0, "")];
  const timed = (state) => {
    let now = state;
    const began = process.cpuUsage(); // what others do on this machine is not counted
    for (let n = 1; n < 3000; n += 1) {
      now = reduce(now, html("x", n, 0, "<p>text</p>"), n);
      turnOf(now.log, pathOf(now.log).at(-1));
    }
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
  const [short, long] = [play(connection(), ...turns(10), status("idle"), ...stream), play(...LONG, ...stream)];
  timed(short); // once to warm up
  const best = (state) => Math.min(...[1, 2, 3].map(() => timed(state)));
  assert.ok(best(long) < 3 * best(short) + 20);
});

suite("old turns", () => {
  const cut = (state, count) => trim(state.log, pathOf(state.log), count);

  test("are let go beyond a number, and said to be there", () => {
    const log = cut(play(...LONG), 100);
    assert.deepEqual([pathOf(log).length, pathOf(log)[0].id, log.oldest, log.earlier], [100, "u1901", 3801, true]);
    assert.equal(Object.keys(log.turns).length, 100);
  });

  test("stay where there are not so many", () => {
    const { log } = play(connection(), ...turns(5));
    assert.equal(trim(log, pathOf(log), 5), log);
  });

  test("come back as they were", () => {
    const state = play(connection(), ...turns(6), status("idle"));
    const again = prepend(cut(state, 2), turns(4), false);
    assert.deepEqual(read({ ...state, log: again, shadow: null }), read(state));
    assert.equal(again.oldest, 1);
  });

  test("are not cut where a turn has records on both sides", () => {
    const records = [user(1, "u1"), user(2, "u2", { follows: "u1" }), answer(3, "a1", "u1"), answer(4, "a2", "u2")];
    const state = play(connection(), ...records, user(5, "u3", { follows: "u2" }), status("idle"));
    assert.equal(cut(state, 2), state.log); // u1 would be cut in two
    assert.deepEqual(
      pathOf(cut(state, 1)).map(({ id }) => id),
      ["u3"],
    );
  });
});

test("a turn that two pages of older records share is put together", () => {
  const [first, second, ...rest] = turns(3);
  const state = play(connection({ seq: 6, head: "u3" }), ...rest);
  const log = prepend(prepend(state.log, [second], true), [first], false);
  assert.deepEqual(read({ ...state, log }), [
    ["u1", ["a1"]],
    ["u2", ["a2"]],
    ["u3", ["a3"]],
  ]);
  assert.equal(Object.keys(turnLog(shownLog({ ...state, log }), "u1").messages).length, 1);
});
