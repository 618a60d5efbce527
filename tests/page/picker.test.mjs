/** Which agents a search finds, in which groups; what a link wishes for. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { groupsOf, matches } from "chat/picker.js";
import { wishOf } from "chat/router.js";

const agent = (key, group = "", description = "") => ({ key, name: key, group, description });

test("groups come in the order of the agents, those without one first", () => {
  const groups = groupsOf([agent("a", "Law"), agent("b"), agent("c", "Sales"), agent("d", "Law")]);
  assert.deepEqual(
    groups.map(({ title, agents }) => [title, agents.map(({ key }) => key)]),
    [
      ["", ["b"]],
      ["Law", ["a", "d"]],
      ["Sales", ["c"]],
    ],
  );
});

test("a search is of words, anywhere, without regard to case and accents", () => {
  const clerk = agent("Élan", "Büro", "Writes letters");
  for (const search of ["elan", "LETTERS buro", "  ", "wri let"]) assert.ok(matches(clerk, search), search);
  for (const search of ["elan law", "xyz"]) assert.ok(!matches(clerk, search), search);
});

test("a link wishes for a known agent and a text", () => {
  const agents = [agent("poet")];
  assert.deepEqual(wishOf("?agent=poet&q=Sing%20of%20%3Cb%3E", agents), { agent: "poet", text: "Sing of <b>" });
  assert.deepEqual(wishOf("?agent=nobody", agents), { agent: "", text: "" });
  assert.deepEqual(wishOf("", agents), { agent: "", text: "" });
});
