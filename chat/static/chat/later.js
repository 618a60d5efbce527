/**
 * What the page does not begin with: the modules in `chat/later/`, and the sheets for what they show. They are loaded once
 * the page is at rest, or when one of them is first needed; from then on they need no connection.
 */
import { el } from "chat/dom.js";
import { answerButtons, dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

const AGAIN_MS = 2_000; // after a module could not be loaded

let loading = null;
let isLoaded = false;

const contentOf = (name) => document.querySelector(`meta[name=${name}]`)?.content;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** As long as it takes. @param {(attempt: number) => Promise<void>} load */
async function untilLoaded(load) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await load(attempt);
    } catch (error) {
      console.warn(error);
      await pause(AGAIN_MS);
    }
  }
}

/** An address that failed once fails for good in some browsers, so the next one differs. */
const loadModule = (name) =>
  untilLoaded((attempt) => import(attempt ? `${import.meta.resolve(name)}?${attempt}` : name));

/** Before the project's own sheet, which comes last. */
const loadSheet = (href) =>
  untilLoaded(
    () =>
      new Promise((onload, onerror) =>
        document.querySelector("link[rel=stylesheet]").after(el("link", { rel: "stylesheet", href, onload, onerror })),
      ),
  );

/** @returns {Promise<void>} until all of them are there */
export function whenLoaded() {
  loading ??= Promise.all([
    ...(contentOf("chat-later")?.split(" ") ?? []).map(loadModule),
    ...[contentOf("chat-later-sheet")].filter(Boolean).map(loadSheet),
  ]).then(() => (isLoaded = true));
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

/** Do what the button in an answer that was pressed says. @param {Event} event  @param {Function} copy */
export function pressIn({ target }, copy) {
  const control = target.closest("[data-action]");
  if (control) withEntry(answerButtons, control.dataset.action, (act) => act?.(control, copy));
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
