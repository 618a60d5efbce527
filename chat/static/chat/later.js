/**
 * What the page does not begin with: the modules in `chat/later/`. They are loaded once the page is at rest, or when one
 * of them is first needed; from then on they need no connection.
 */
import { dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

const AGAIN_MS = 2_000; // after a module could not be loaded

let loading = null;
let isLoaded = false;

const namesOf = (meta) => meta?.content.split(" ") ?? [];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** As long as it takes. An address that failed once fails for good in some browsers, so the next one differs. */
async function load(name) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await import(attempt ? `${import.meta.resolve(name)}?${attempt}` : name);
    } catch (error) {
      console.warn(error);
      await pause(AGAIN_MS);
    }
  }
}

/** @returns {Promise<void>} until all of them are there */
export function whenLoaded() {
  const names = () => namesOf(document.querySelector("meta[name=chat-later]"));
  loading ??= Promise.all(names().map(load)).then(() => (isLoaded = true));
  return loading;
}

export function loadAtRest() {
  const atRest = globalThis.requestIdleCallback ?? setTimeout; // Safari has none
  const begin = () => atRest(whenLoaded);
  if (document.readyState === "complete") begin();
  else addEventListener("load", begin);
}

/**
 * Use what a registry has of this kind, as soon as it is there.
 * @param {import("chat/registries.js").Registry} registry
 * @param {(entry: object) => void} use
 */
export function withEntry(registry, kind, use) {
  if (isLoaded || registry.has(kind)) use(registry.of(kind));
  else whenLoaded().then(() => use(registry.of(kind)));
}

/** The dialogs of the page, each made when it is first opened. */
export class Dialogs {
  #made = new Map();

  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
  }

  /** @param {string} name @param {(dialog: object) => void} use */
  with(name, use) {
    if (!isLoaded && !navigator.onLine) return this.page.toasts.show(t("That needs a connection."));
    withEntry(dialogs, name, (Dialog) => {
      if (!this.#made.has(name)) this.#made.set(name, new Dialog(this.page));
      use(this.#made.get(name));
    });
  }
}
