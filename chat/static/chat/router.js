/** The page's address: which conversation it shows. */

const ID = /\/c\/([0-9a-f-]{36})\/$/;

/**
 * What a link wants of a new conversation: `?agent=KEY&q=text`. The text goes into the field, and is not sent by itself: a
 * link may come from anybody.
 * @param {string} search  of the page's address
 * @param {{key: string}[]} agents
 * @returns {{agent: string, text: string}} empty where nothing is wished
 */
export function wishOf(search, agents) {
  const wish = new URLSearchParams(search);
  const agent = agents.find(({ key }) => key === wish.get("agent"))?.key ?? "";
  return { agent, text: wish.get("q") ?? "" };
}

/** The message that an address names: `/c/ID/#r12`. @returns {number|null} */
export const seqOf = (hash) => Number(/^#r(\d+)$/.exec(hash)?.[1] ?? 0) || null;

export class Router {
  /**
   * @param {string} page  address of the chat page, with a slash at its end
   * @param {(id: string) => void} onMove  the user went back or forward to this conversation; "" is a new one
   * @param {{isFixed?: boolean}} [options]  the page stays at one address
   */
  constructor(page, onMove, { isFixed = false } = {}) {
    this.page = page;
    this.isFixed = isFixed;
    addEventListener("popstate", () => onMove(ID.exec(location.pathname)?.[1] ?? ""));
  }

  /** @param {string} id  of a conversation; "" is a new one */
  addressOf(id) {
    return id ? `${this.page}c/${id}/` : this.page;
  }

  /** Go there: the browser's Back comes back. */
  push(id) {
    if (!this.#isAt(id)) history.pushState(null, "", this.addressOf(id));
  }

  /** Be there: the first accepted message gives the conversation its address. */
  replace(id) {
    if (!this.#isAt(id)) history.replaceState(null, "", this.addressOf(id));
  }

  #isAt(id) {
    return this.isFixed || location.pathname === this.addressOf(id);
  }
}
