/**
 * What the user sent and the server has not accepted, kept over a reload of the tab. Each item is sent until it is
 * accepted, always with the same id: the server runs it once.
 */
import { keep, kept } from "chat/storage.js";

const KEY = "chat.outbox";

/** @returns {Record<string, {ticket: string, items: import("chat/state.js").Pending[]}>} by conversation; "" is one without id */
function readAll() {
  try {
    return JSON.parse(kept("sessionStorage", KEY)) ?? {};
  } catch {
    return {};
  }
}

/** @returns {{id: string, ticket: string, items: import("chat/state.js").Pending[]}} */
export function pendingOf(conversation) {
  const stored = readAll()[conversation];
  return { id: conversation, ticket: stored?.ticket ?? "", items: stored?.items ?? [] };
}

/** What waits for a conversation that the server has not stored yet: a page cut off early returns to it. */
export function pendingOfNew() {
  const unsaved = Object.entries(readAll()).find(([id, { ticket, items }]) => (ticket || !id) && items.length);
  return unsaved
    ? { id: unsaved[0], ticket: unsaved[1].ticket, items: unsaved[1].items }
    : { id: "", ticket: "", items: [] };
}

/** @param {import("chat/state.js").State} state */
export function savePending({ conversation, pending }) {
  writeAll({
    "": undefined,
    [conversation.id]: pending.length ? { ticket: conversation.ticket, items: pending } : undefined,
  });
}

/** The conversation will never be there. */
export function forgetPending(conversation) {
  writeAll({ [conversation]: undefined });
}

function writeAll(changes) {
  const entries = Object.entries({ ...readAll(), ...changes }).filter(([, stored]) => stored);
  keep("sessionStorage", KEY, entries.length ? JSON.stringify(Object.fromEntries(entries)) : null);
}
