/** The one state of the page, and the way in which it changes: an event, the reducer, what follows. */
import { reduce } from "chat/state.js";

export class Store {
  /**
   * @param {import("chat/state.js").State} state
   * @param {() => number} now  milliseconds
   */
  constructor(state, now) {
    this.state = state;
    this.now = now;
    this.queue = [];
    this.isTaking = false;
    this.listeners = [];
  }

  /** @param {(change: {before: object, state: object, event: object}) => void} listener */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /** Events that are dispatched while another is followed come after it. */
  dispatch = (event) => {
    this.queue.push(event);
    if (this.isTaking) return;
    this.isTaking = true;
    try {
      while (this.queue.length) this.#take(this.queue.shift());
    } finally {
      this.isTaking = false;
    }
  };

  #take(event) {
    const before = this.state;
    this.state = reduce(before, event, this.now());
    if (this.state === before) return;
    for (const listener of this.listeners) listener({ before, state: this.state, event });
  }
}
