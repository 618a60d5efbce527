/**
 * What can be added to the page without a change to the rest of it: one file in `chat/cards/`, `chat/slots/` or
 * `chat/later/`, which registers here what it shows. The page loads every file of the first two folders before it starts,
 * and those of the third when it has started (`later.js`).
 *
 * A component is a class with a `root` element and `update(item, context)`; `context` is in `turns.js`.
 */
class Registry {
  #entries = new Map();
  #fallback;

  /** @param {string} fallback  the kind that stands in for one that nobody has registered */
  constructor(fallback) {
    this.#fallback = fallback;
  }

  register(kind, entry) {
    if (this.#entries.has(kind)) throw new Error(`two cards for “${kind}”`);
    this.#entries.set(kind, entry);
  }

  has(kind) {
    return this.#entries.has(kind);
  }

  of(kind) {
    return this.#entries.get(kind) ?? this.#entries.get(this.#fallback);
  }
}

/** Components for the parts of a reply, by the kind that `transcript.js` gives them. */
export const parts = new Registry("text");

/**
 * What shows a part of a message (`parts`), by its kind.
 * @type {Registry} of functions: (part: object) => Element
 */
export const shown = new Registry("file");

/** Components for one tool call, by the tool's name. `ANY_TOOL` is the card of all others. */
export const ANY_TOOL = "*";
export const tools = new Registry(ANY_TOOL);

/**
 * The forms of questions, by the `kind` of an `input_request`.
 * @typedef {object} AskForm
 * @property {string} icon
 * @property {(request: object) => (Node|string)[]} title
 * @property {(request: object, answer: (fields: object) => void, actions: object) => Element} form
 */
export const asks = new Registry("text");

/**
 * What the buttons in an answer's text do, by their `data-action` (`later.js`).
 * @type {Registry} of functions: (control: HTMLElement, copy: (text: string, control: HTMLElement) => void) => void
 */
export const answerButtons = new Registry("");

/** The page's dialogs, by name: classes that are made with the page, when they are first opened (`later.js`). */
export const dialogs = new Registry("");

/**
 * What stands in the composer beside field and buttons: components made with the composer, in each slot in the order of
 * their files' names. Their `update` gets a `Look` (`composer.js`).
 */
const slots = { above: [], row: [] };

export const fillSlot = (slot, Component) => slots[slot].push(Component);
export const fillingsOf = (slot) => slots[slot];
