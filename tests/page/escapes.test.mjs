/** What is not seen is shown as an escape wherever people choose, agree or are told; what is sent is what it was. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Element } from "./dom.mjs";
import { Storage } from "./storage.mjs";

globalThis.localStorage = new Storage();
globalThis.document = { createElement: (tag) => new Element(tag), hidden: true, documentElement: { lang: "en" } };
globalThis.document.createElementNS = (_, tag) => new Element(tag);
globalThis.document.getElementById = () => null;

const HIDDEN = "\u202e\u2066\u200b\u00ad\ufeff";
const SHOWN = [...HIDDEN]
  .map((char) => `‹U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`)
  .join("");
const raw = (element) => [...HIDDEN].filter((char) => element.shown.includes(char));

const { schemaForm } = await import("chat/schema.js");
const { fillingsOf } = await import("chat/registries.js");
await import("chat/slots/suggestions.js");
await import("chat/slots/commands.js");

const SCHEMA = {
  properties: {
    address: { type: "string", title: `To${HIDDEN}`, description: `Whose${HIDDEN}`, maxLength: 40 },
    names: { type: "array", items: { type: "string" } },
    more: { type: "object" },
    group: { type: "object", title: `In${HIDDEN}`, properties: { place: { type: "string" } } },
  },
};
const ARGS = {
  address: `safe.test/${HIDDEN}tset.live`,
  names: [`a${HIDDEN}`, "", "‹U+202E›"],
  more: { [`k${HIDDEN}`]: HIDDEN },
  group: { place: `${HIDDEN}‹U+2039›U+202E›` },
};

test("arguments that are edited show what is not seen, and are sent as they were", () => {
  const form = schemaForm(SCHEMA, ARGS);
  assert.deepEqual(raw(form.root), []);
  assert.ok(form.root.shown.includes(`safe.test/${SHOWN}tset.live`), form.root.shown);
  assert.deepEqual(form.read(), ARGS);
});

test("what was changed beside an escape is sent with what it stands for", () => {
  const form = schemaForm(SCHEMA, ARGS);
  const fields = form.root.all("input", "textarea");
  fields[0].value = fields[0].value.replace("live", "test");
  fields[1].value = `${fields[1].value}\nb${SHOWN}`;
  const read = form.read();
  assert.equal(read.address, `safe.test/${HIDDEN}tset.test`);
  assert.deepEqual(read.names, [`a${HIDDEN}`, "‹U+202E›", `b${HIDDEN}`]);
});

test("a suggestion and a command show what is not seen, and say what they are", () => {
  const sent = [];
  const field = new Element("textarea");
  field.value = "/";
  const composer = {
    actions: { send: (text) => sent.push(text) },
    field,
    focus() {},
    setText: (text) => sent.push(text),
  };
  const made = fillingsOf("above").map((Slot) => new Slot(composer));
  const commands = [{ name: `do${HIDDEN}`, description: `Does${HIDDEN}`, text: `do it${HIDDEN}` }];
  for (const slot of made) slot.update({ suggestions: [`Pay${HIDDEN}`], commands, status: "idle", isClosed: false });
  const roots = made.map(({ root }) => root);
  assert.deepEqual(roots.flatMap(raw), []);
  assert.ok(roots.some(({ shown }) => shown.includes(`Pay${SHOWN}`)));
  assert.ok(roots.some(({ shown }) => shown.includes(`/do${SHOWN}`) && shown.includes(`Does${SHOWN}`)));
  for (const chosen of roots.flatMap((root) => root.all("button", "li"))) chosen.click();
  assert.deepEqual(sent.toSorted(), [`Pay${HIDDEN}`, `do it${HIDDEN}`]);
});

test("a notification shows what is not seen in what is asked", async () => {
  const { Notifier } = await import("chat/notify.js");
  const told = [];
  globalThis.Notification = class extends Element {
    static permission = "granted";
    constructor(title, { body }) {
      super("note");
      told.push(title, body);
    }
  };
  localStorage.setItem("chat.notify", "on");
  const box = { closest: () => ({}), addEventListener() {} };
  const state = { replayed: true, ask: null, status: { state: "waiting" }, conversation: { id: "c", title: "Sums" } };
  const ask = { request_id: "r", prompt: `Pay safe.test/${HIDDEN}?`, agent: "A" };
  new Notifier(box, {}).follow(state, { ...state, ask });
  assert.deepEqual(told, ["A asks", `Pay safe.test/${SHOWN}?`]);
});
