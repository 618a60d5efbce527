/**
 * The wire protocol, version 1, as the page speaks it: the socket's address, the frames it sends, the codes that end it.
 * What the server sends (`events.js`) is taken apart in `state.js` and `log.js`, whose functions carry its names.
 */

export const MAX_FRAME_BYTES = 64 * 1024; // of a frame that the page sends: the server's `MAX_COMMAND_BYTES`

/** After these close codes there is no point in connecting again by itself. */
export const SIGN_IN = 4401;
export const FORBIDDEN = 4403;
export const NOT_FOUND = 4404;
export const ELSEWHERE = 4409;
export const FINAL_CODES = new Set([SIGN_IN, FORBIDDEN, NOT_FOUND, ELSEWHERE]);

/**
 * @typedef {object} Target  What the socket opens.
 * @property {string} path  of the socket on this site
 * @property {string} [conversation]  UUID; empty: a new one
 * @property {string} [ticket]  of a conversation that has no message yet
 * @property {string} [agent]  key of the agent of a new conversation
 * @property {boolean} [temporary]  a new conversation is not to be kept
 * @property {number} [after]  newest record that the page has
 * @property {{isFresh: boolean}} [embed]  the page is in another site's frame: its first frame is the ticket; `isFresh`: no
 *   conversation of before goes on
 */

/** @param {Target} target */
export function socketUrl({ path, conversation, ticket, agent, temporary, after, embed }) {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.search = String(new URLSearchParams({ v: "1", html: "1" }));
  const fresh = embed?.isFresh && !conversation ? 1 : 0;
  const ofNew = conversation ? {} : { agent, temporary: temporary && 1 };
  const tz = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const optional = { conversation, ticket, ...ofNew, after, embed: embed && 1, fresh, tz };
  for (const [name, value] of Object.entries(optional)) if (value) url.searchParams.set(name, String(value));
  return url.href;
}

export const messageFrame = (id, content, attachments = []) => ({
  type: "message",
  message_id: id,
  content,
  ...(attachments.length && { attachments }),
});
export const answerFrame = (id, requestId, answer) => ({
  type: "answer",
  message_id: id,
  request_id: requestId,
  ...answer,
});
export const ticketFrame = (ticket) => ({ type: "ticket", ticket });
export const commandFrame = (command, fields = {}) => ({ type: "command", command, ...fields });
export const syncFrame = (messageId) => ({ type: "sync", message_id: messageId });

/** Whether the server reads a frame of this length. */
export const isSendable = (frame) => new TextEncoder().encode(JSON.stringify(frame)).length <= MAX_FRAME_BYTES;

/** Return a random UUID, version 4. `crypto.randomUUID` does not exist on a page without TLS. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
