/** What can be added to the page with one file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANY_TOOL, asks, fillSlot, fillingsOf, parts, tools } from "chat/registries.js";

class Card {}
class Plain {}

test("a tool has the card of its name, all others have the common one", () => {
  tools.register(ANY_TOOL, Plain);
  tools.register("draw_chart", Card);
  assert.equal(tools.of("draw_chart"), Card);
  assert.equal(tools.of("sql"), Plain);
});

test("a kind that this page does not know is shown as text", () => {
  parts.register("text", Plain);
  asks.register("text", Plain);
  assert.equal(parts.of("hologram"), Plain);
  assert.equal(asks.of("signature"), Plain);
});

test("two cards for the same kind are a mistake", () => {
  assert.throws(() => tools.register("draw_chart", Plain), /draw_chart/);
});

test("a slot of the composer has what was put there, in order", () => {
  fillSlot("row", Card);
  fillSlot("row", Plain);
  assert.deepEqual([fillingsOf("row"), fillingsOf("above")], [[Card, Plain], []]);
});
