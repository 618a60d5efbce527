/** The direction of a text that is being typed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { directionOf } from "chat/direction.js";

test("the first letter decides", () => {
  assert.deepEqual(["Hello", "שלום", "مرحبا hello", "12 hello", "数据", "1. שלום"].map(directionOf), [
    "ltr",
    "rtl",
    "rtl",
    "ltr",
    "ltr",
    "rtl",
  ]);
});

test("a text without a letter has the direction of the page", () => {
  assert.deepEqual(["", "12 + 3", "🙂"].map(directionOf), [null, null, null]);
});

test("only the beginning of a long text is looked at", () => {
  assert.equal(directionOf("1".repeat(1_000_000) + "שלום"), null);
});
