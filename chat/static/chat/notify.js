/** A notification of the system when an answer or a question comes while nobody looks: if the user has asked for that. */
import { promptOf, visible } from "chat/format.js";
import { isBusy } from "chat/state.js";
import { keep, kept } from "chat/storage.js";
import { t } from "chat/words.js";

const WANTED = "chat.notify"; // localStorage: "on"

export class Notifier {
  /** @param {HTMLInputElement} box  in the menu; hidden with its label where the browser has no notifications */
  constructor(box, toasts) {
    this.box = box;
    this.toasts = toasts;
    box.closest("label").hidden = !globalThis.Notification;
    box.checked = this.isWanted;
    box.addEventListener("change", () => this.#changed());
  }

  get isWanted() {
    // Kept first: to ask for the permission the page stands still until another process answers.
    return kept("localStorage", WANTED) === "on" && globalThis.Notification?.permission === "granted";
  }

  /** @param {import("chat/state.js").State} before @param {import("chat/state.js").State} state */
  follow(before, state) {
    if (!document.hidden || !this.isWanted || !state.replayed) return;
    const name = state.status.agent || state.conversation.agent?.name || t("The agent");
    const isAsked = state.ask && state.ask !== before.ask && state.ask.request_id !== before.ask?.request_id;
    if (isAsked) this.#show(t("{agent} asks", { agent: state.ask.agent || name }), visible(promptOf(state.ask)), state);
    else if (isBusy(before) && state.status.state === "idle")
      this.#show(t("{agent} has answered", { agent: name }), state.conversation.title, state);
  }

  async #changed() {
    const isAllowed = this.box.checked && (await Notification.requestPermission()) === "granted";
    if (this.box.checked && !isAllowed) this.toasts.show(t("The browser does not allow notifications of this site."));
    this.box.checked = isAllowed;
    keep("localStorage", WANTED, isAllowed ? "on" : null);
  }

  #show(title, body, { conversation }) {
    try {
      const note = new Notification(title, { body: body.slice(0, 200), tag: conversation.id });
      note.addEventListener("click", () => {
        window.focus();
        note.close();
      });
    } catch {
      // Browsers of phones allow a service worker alone to do this. A switch that does nothing is switched off.
      keep("localStorage", WANTED, null);
      this.box.checked = false;
      this.toasts.show(t("This browser tells of nothing while its page is hidden."));
    }
  }
}
