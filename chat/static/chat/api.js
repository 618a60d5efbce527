/** The HTTP side of the chat: lists and older records. Every function may throw `ApiError` or a network error. */

export class ApiError extends Error {
  constructor(status) {
    super(`The server answered with ${status}.`);
    this.status = status;
  }
}

/** The token as it is now: signing in in another tab makes a new one. Where no script may read it: the page's own. */
export function csrfToken({ csrf, csrfCookie }) {
  const entries = document.cookie.split("; ").map((entry) => entry.split("="));
  return entries.find(([name]) => name === csrfCookie)?.[1] || csrf;
}

export class Api {
  /** @param {string} page  address of the chat page, with a slash at its end @param {() => string} csrf  asked at each use */
  constructor(page, csrf) {
    this.root = `${page}api/`;
    this.csrf = csrf;
  }

  /** @returns {Promise<{conversations: object[], more: boolean}>} newest first @param {string} [before]  go on after this conversation */
  conversations({ before, limit = 30 } = {}) {
    return this.#ask("GET", "conversations", { query: { before, limit } });
  }

  /** @returns {Promise<{records: object[], earlier: boolean}>} oldest first */
  records(conversation, { before, limit = 50 }) {
    return this.#ask("GET", `conversations/${conversation}/records`, { query: { before, limit, html: 1 } });
  }

  rename(conversation, title) {
    return this.#ask("PATCH", `conversations/${conversation}`, { body: { title } });
  }

  /** Survives the end of the page. */
  remove(conversation) {
    return this.#ask("DELETE", `conversations/${conversation}`, { keepalive: true });
  }

  async #ask(method, path, { query = {}, body, keepalive = false } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const address = this.root + path + (given.length ? `?${new URLSearchParams(given)}` : "");
    const headers = {
      Accept: "application/json",
      "X-CSRFToken": this.csrf(),
      ...(body && { "Content-Type": "application/json" }),
    };
    const answer = await fetch(address, {
      method,
      headers,
      keepalive,
      body: body && JSON.stringify(body),
      credentials: "same-origin",
    });
    if (!answer.ok) throw new ApiError(answer.status);
    return answer.status === 204 ? null : answer.json();
  }
}
