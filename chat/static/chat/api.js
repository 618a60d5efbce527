/** The HTTP side of the chat: lists and older records. Every function may throw `ApiError` or a network error. */
import { t } from "chat/words.js";

export class ApiError extends Error {
  constructor(status, details = "") {
    super(`HTTP ${status}`);
    this.status = status;
    this.details = details; // a sentence for people, where the server has one
  }
}

/** Why it could not be done, as a sentence for people. @param {Error} error  of `Api` */
export function whyNot({ status }) {
  if (status === undefined) return t("There is no connection to the server.");
  const known = {
    401: t("The server does not know you any more: sign in, or load the page again."),
    403: t("This page is out of date: load it again, and try once more."),
    404: t("There is no such conversation any more."),
    429: t("That was too often: try again in a minute."),
  };
  return known[status] ?? t("The server answered with {status}.", { status });
}

/** What the server wants back with each change: signing in and out, in any tab, makes a new one. */
export class CsrfToken {
  /** @param {{page: string, csrf: string, csrfCookie: string, csrfHeader: string}} config  `csrf` is of when the page was loaded */
  constructor({ page, csrf, csrfCookie, csrfHeader }) {
    this.address = `${page}api/token`;
    this.cookie = csrfCookie; // empty: no script may read it
    this.header = csrfHeader;
    this.known = csrf;
  }

  /** As it is now, or, where no script may read the cookie, as it was last heard of. */
  get value() {
    return this.#ofCookie() ?? this.known;
  }

  get headers() {
    return { [this.header]: this.value };
  }

  get isReadable() {
    return this.#ofCookie() !== undefined;
  }

  /** Ask the server for it. */
  async renew() {
    const answer = await fetch(this.address, { credentials: "same-origin", cache: "no-store" });
    if (answer.ok) this.known = (await answer.json()).token;
  }

  #ofCookie() {
    const entries = document.cookie.split("; ").map((entry) => entry.split("="));
    return entries.find(([name]) => name === this.cookie)?.[1];
  }
}

export class Api {
  /**
   * @param {string} page  address of the chat page, with a slash at its end
   * @param {{headers: Record<string, string>, renew: () => Promise<void>}} who  what says at each request who asks
   */
  constructor(page, who) {
    this.root = `${page}api/`;
    this.who = who;
  }

  /** @returns {Promise<{conversations: object[], more: boolean}>} newest first @param {string} [before]  go on after this conversation */
  conversations({ before, limit = 30, archived, folder } = {}) {
    return this.#ask("GET", "conversations", { query: { before, limit, archived, folder } });
  }

  /** @returns {Promise<{records: object[], earlier: boolean}>} oldest first */
  records(conversation, { before, limit = 50 }) {
    return this.#ask("GET", `conversations/${conversation}/records`, { query: { before, limit, html: 1 } });
  }

  /** @returns {Promise<{hits: object[], titles: object[], complete: boolean, has_index: boolean}>} the newest first */
  search(query, signal) {
    return this.#ask("GET", "search", { query: { q: query }, signal });
  }

  /** What was said of a conversation's answers. @returns {Promise<{feedback: Record<string, object>}>} by message */
  feedback(conversation) {
    return this.#ask("GET", `conversations/${conversation}/feedback`);
  }

  /** @param {{value: "up"|"down", reasons: string[], comment: string}} body */
  giveFeedback(conversation, message, body) {
    return this.#ask("PUT", `conversations/${conversation}/feedback/${message}`, { body });
  }

  withdrawFeedback(conversation, message) {
    return this.#ask("DELETE", `conversations/${conversation}/feedback/${message}`);
  }

  /** The links that show a conversation. @returns {Promise<{shares: object[]}>} */
  shares(conversation) {
    return this.#ask("GET", `conversations/${conversation}/shares`);
  }

  /** @param {{follows: boolean, with_tools: boolean, days: number}} body */
  share(conversation, body) {
    return this.#ask("POST", `conversations/${conversation}/shares`, { body });
  }

  revoke(share) {
    return this.#ask("DELETE", `shares/${share}`);
  }

  /** What can be set for the agent here. @returns {Promise<{schema: object, values: object}>} */
  settings(conversation) {
    return this.#ask("GET", `conversations/${conversation}/settings`);
  }

  changeSettings(conversation, values) {
    return this.#ask("PUT", `conversations/${conversation}/settings`, { body: values });
  }

  /** What a new conversation with this agent can begin with. @returns {Promise<{schema: object, values: object}>} */
  settingsOf(agent) {
    return this.#ask("GET", `agents/${encodeURIComponent(agent)}/settings`);
  }

  checkSettings(agent, values) {
    return this.#ask("PUT", `agents/${encodeURIComponent(agent)}/settings`, { body: values });
  }

  /** @param {{title?: string, pinned?: boolean, archived?: boolean, folder?: string}} changes @returns {Promise<object>} */
  change(conversation, changes) {
    return this.#ask("PATCH", `conversations/${conversation}`, { body: changes });
  }

  /** Survives the end of the page. */
  remove(conversation) {
    return this.#ask("DELETE", `conversations/${conversation}`, { keepalive: true });
  }

  /**
   * Send a file. `fetch` tells nothing of how far it has come.
   * @param {File} file @param {{name: string, onProgress: (part: number) => void, signal: AbortSignal}} options
   * @returns {Promise<object>} what the server says of it
   */
  async upload(file, { name, onProgress, signal }) {
    let answer = await this.#post(file, { name, onProgress, signal });
    if (answer.status === 403 && answer.response?.error === "csrf") {
      await this.who.renew();
      answer = await this.#post(file, { name, onProgress, signal });
    }
    if (answer.status !== 201) throw new ApiError(answer.status, answer.response?.details);
    return answer.response;
  }

  #post(file, { name, onProgress, signal }) {
    const request = new XMLHttpRequest();
    return new Promise((resolve, reject) => {
      request.open("POST", `${this.root}attachments?${new URLSearchParams({ name })}`);
      request.responseType = "json";
      request.setRequestHeader("Content-Type", "application/octet-stream");
      for (const [header, value] of Object.entries(this.who.headers)) request.setRequestHeader(header, value);
      request.upload.addEventListener("progress", ({ loaded, total }) => total && onProgress(loaded / total));
      request.addEventListener("load", () => resolve(request));
      for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, () => reject(new Error(end)));
      signal.addEventListener("abort", () => request.abort());
      request.send(file);
    });
  }

  takeBack(attachment) {
    return this.#ask("DELETE", `attachments/${attachment}`, { keepalive: true });
  }

  async #ask(method, path, { query = {}, body, keepalive = false, signal } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const address = this.root + path + (given.length ? `?${new URLSearchParams(given)}` : "");
    const send = () =>
      fetch(address, {
        method,
        keepalive,
        signal,
        headers: {
          Accept: "application/json",
          ...this.who.headers,
          ...(body && { "Content-Type": "application/json" }),
        },
        body: body && JSON.stringify(body),
        credentials: "same-origin",
      });
    let answer = await send();
    if (answer.status === 403) {
      await this.who.renew();
      answer = await send();
    }
    if (!answer.ok) throw new ApiError(answer.status);
    return answer.status === 204 ? null : answer.json();
  }
}
