/** Times, durations and figures as people read them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clockTime,
  counted,
  dateGroup,
  duration,
  figure,
  hue,
  initials,
  money,
  oneLine,
  tokenCount,
} from "chat/format.js";

globalThis.document = { documentElement: { lang: "en" } };

test("the time is written as the reader's region does, in the page's language", async () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { languages: ["de-CH", "en-GB"] }, configurable: true });
  const british = await import("chat/format.js?british"); // formats are made once
  const time = british.clockTime("2026-01-02T15:04:00", new Date("2026-01-02T16:00:00"));
  Object.defineProperty(globalThis, "navigator", own);
  assert.equal(time, "15:04");
});

test("a duration has as many digits as it deserves", () => {
  assert.deepEqual([0, 99, 100, 5200, 9999, 42_400, 185_000].map(duration), [
    "0 ms",
    "99 ms",
    "0.1 s",
    "5.2 s",
    "10 s",
    "42 s",
    "3 min 5 s",
  ]);
});

test("a duration never says sixty seconds of a minute", () => {
  assert.deepEqual([59_700, 119_600].map(duration), ["1 min 0 s", "2 min 0 s"]);
});

test("large figures are short", () => {
  assert.deepEqual([0, 1204, 9999, 12_345, 3_100_000].map(figure), ["0", "1,204", "9,999", "12.3K", "3.1M"]);
});

test("a count that nobody has counted says so", () => {
  assert.deepEqual([tokenCount(1204), tokenCount(1204, true)], ["1,204 tokens", "about 1,200 tokens"]);
});

test("what costs nothing that shows has no price", () => {
  assert.deepEqual([0, 0.00001].map(money), ["", ""]);
});

test("small sums of money show what they are", () => {
  assert.deepEqual([0.0042, 0.5, 12].map(money), ["$0.0042", "$0.50", "$12.00"]);
});

test("one is singular", () => {
  assert.deepEqual(
    [1, 6, 0].map((count) => counted(count, "{n} reply", "{n} replies")),
    ["1 reply", "6 replies", "0 replies"],
  );
});

test("a time has its date where it is not today, and what is no time has none", () => {
  const now = new Date("2026-03-04T12:00:00");
  assert.doesNotMatch(clockTime("2026-03-04T10:02:00", now), /2026/);
  assert.match(clockTime("2026-03-03T10:02:00", now), /Mar 3, 2026/);
  assert.equal(clockTime("never", now), "");
});

test("conversations are grouped by day, then by month", () => {
  const now = new Date("2026-03-20T12:00:00");
  const days = [
    "2026-03-20T00:00:00",
    "2026-03-19T23:59:59",
    "2026-03-14T00:00:00",
    "2026-02-25T00:00:00",
    "2026-01-02T00:00:00",
  ];
  assert.deepEqual(
    days.map((day) => dateGroup(day, now)),
    ["Today", "Yesterday", "Last 7 days", "Last 30 days", "January 2026"],
  );
});

test("a name always has the same letters and colour", () => {
  assert.deepEqual(["Data Analyst", "writer", "doc_chat-agent", " ", ""].map(initials), ["DA", "WR", "DC", "?", "?"]);
  assert.equal(hue("Analyst"), hue("Analyst"));
  for (const name of ["", "Analyst", "数据", "🙂"]) assert.ok(hue(name) >= 0 && hue(name) < 6);
});

test("arguments in one line are cut and have no line breaks", () => {
  assert.equal(oneLine({ query: "select\n  1", limit: 5 }), "query: select 1, limit: 5");
  assert.equal(oneLine(null), "");
  assert.equal(oneLine({ text: "x".repeat(500) }).length, 120);
});
