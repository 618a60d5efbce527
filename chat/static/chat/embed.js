/**
 * The page in another site's frame. The page around it hands over a ticket, which says who sits here; there is no cookie.
 *
 *     here -> around   {type: "chat:ready"}                 a ticket is wanted: at the start, and at each new connection
 *     around -> here   {type: "chat:ticket", ticket: "…"}
 *     here -> around   {type: "chat:unread", count: 1}      an answer or a question has come
 */
const WAIT_MS = 15_000; // then it is asked for again

export class Embed {
  #access = "";
  #wanted = [];

  /** Without storage: a browser may forbid it in a frame. @param {string[]} parents  origins of the pages around */
  constructor(parents) {
    this.parents = new Set(parents);
    this.isFresh = false;
    addEventListener("message", ({ origin, source, data }) => {
      if (source !== parent || !this.parents.has(origin) || data?.type !== "chat:ticket") return;
      for (const resolve of this.#wanted.splice(0)) resolve(String(data.ticket));
    });
  }

  /** @returns {Promise<string>} a new ticket of the page around */
  ticket() {
    return new Promise((resolve) => {
      this.#wanted.push(resolve);
      this.#ask();
    });
  }

  #ask() {
    if (!this.#wanted.length) return;
    this.#tell({ type: "chat:ready" });
    clearTimeout(this.again);
    this.again = setTimeout(() => this.#ask(), WAIT_MS);
  }

  /** Only a page of these origins gets it. */
  #tell(message) {
    if (parent === window) return;
    for (const origin of this.parents) parent.postMessage(message, origin);
  }

  /** @param {object} frame  of the server */
  hear(frame) {
    if (frame.access) this.#access = frame.access;
    const isNews = frame.type === "message" && frame.message.sender === "assistant" && !frame.message.depth;
    if (isNews || frame.type === "input_request") this.#tell({ type: "chat:unread", count: 1 });
  }

  /** What says at each request who asks. */
  get headers() {
    return { Authorization: `Chat ${this.#access}` };
  }

  /** The next connection brings another. */
  async renew() {}

  /** @param {() => void} openNew */
  bind(openNew) {
    document.getElementById("embed-new").addEventListener("click", () => {
      this.isFresh = true;
      openNew();
    });
  }
}
