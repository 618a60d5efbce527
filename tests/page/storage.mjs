/** The browser's storage, and one that is full. */
export class Storage {
  constructor({ isFull = false } = {}) {
    this.items = new Map();
    this.isFull = isFull;
  }
  getItem = (key) => this.items.get(key) ?? null;
  removeItem = (key) => this.items.delete(key);
  setItem = (key, value) => {
    if (this.isFull) throw new DOMException("full", "QuotaExceededError");
    this.items.set(key, String(value));
  };
}
