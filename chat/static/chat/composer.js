/** The field at the foot of the page: text, drafts, Send and Stop. It knows nothing of the socket. */
import { directionOf } from "chat/direction.js";
import { setAttribute, setText } from "chat/dom.js";
import { fillingsOf } from "chat/registries.js";
import { keep, kept } from "chat/storage.js";
import { t } from "chat/words.js";

/**
 * @typedef {object} Look  What the composer shows of the page's state, and its slots with it.
 * @property {string} agent  name of the one that is spoken to
 * @property {string} status  what it does
 * @property {object|null} question  the one that the text answers
 * @property {boolean} isTemporary  the conversation is not kept
 * @property {string[]} allowed  the tools that run here without asking
 * @property {string[]} suggestions  what the user may say next
 * @property {{name: string, text: string, description?: string}[]} commands  what "/" offers
 * @property {boolean} hasSettings  there is something to set for the agent
 * @property {boolean} isClosed  nothing can be sent here
 */

export const isTouch = matchMedia("(pointer: coarse) and (hover: none)");
const draftKey = (conversation) => `chat.draft.${conversation || "new"}`;

export class Composer {
  /** @param {{send: (text: string, files: object[]) => void, stop: () => void, editLast: () => void, leaveAnswer: () => void}} actions
   *  @param {import("chat/uploads.js").Uploads} uploads  the files that go with the next message */
  constructor(root, actions, maxChars, uploads) {
    this.root = root;
    this.actions = actions;
    this.maxChars = maxChars;
    this.uploads = uploads;
    uploads.changed = () => this.#refresh();
    this.field = root.querySelector("#field");
    this.sendButton = root.querySelector("#send");
    this.stopButton = root.querySelector("#stop");
    this.conversation = "";
    this.look = {
      agent: "",
      status: "idle",
      question: null,
      isTemporary: false,
      allowed: [],
      suggestions: [],
      commands: [],
      hasSettings: false,
      isClosed: false,
    };
    this.slots = Array.from(root.querySelectorAll("[data-slot]"), (slot) => this.#filled(slot)).flat();
    root.hidden = false;
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    root.addEventListener("click", ({ target }) => target === root && this.field.focus());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#changed());
    this.stopButton.addEventListener("click", () => {
      actions.stop();
      this.focus(); // the button goes
    });
    this.sendButton.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    setAttribute(this.field, "enterkeyhint", isTouch.matches ? "enter" : "send");
    this.#changed({ keepDraft: true });
  }

  /** Show the draft of another conversation. @param {string[]} sent  texts on their way, which are no drafts any more */
  open(conversation, sent = []) {
    if (conversation !== this.conversation) this.uploads.clear();
    this.conversation = conversation;
    const draft = kept("localStorage", draftKey(conversation)) ?? "";
    this.setText(sent.includes(draft) ? "" : draft);
  }

  /** The server has what was sent: from now on only what is in the field is a draft. */
  accepted(conversation) {
    if (conversation !== this.conversation) keep("localStorage", draftKey(this.conversation), null);
    this.conversation = conversation;
    this.saveDraft();
  }

  setText(text) {
    this.field.value = text;
    this.#changed();
  }

  focus() {
    this.field.focus();
  }

  saveDraft() {
    keep("localStorage", draftKey(this.conversation), this.field.value || null);
  }

  forgetDraft(conversation) {
    keep("localStorage", draftKey(conversation), null);
  }

  /** @param {Look} look */
  update(look) {
    this.look = look;
    const { agent, status, question, isClosed } = look;
    const isStopping = status === "stopping";
    const prompt = question
      ? t("Answer {name}…", { name: question.agent || agent })
      : agent
        ? t("Message {name}…", { name: agent })
        : t("Message…");
    if (this.field.placeholder !== prompt) this.field.placeholder = prompt;
    setAttribute(this.field, "aria-label", prompt.replace("…", ""));
    this.field.disabled = isClosed;
    this.stopButton.hidden = status === "idle";
    this.stopButton.disabled = isStopping;
    setText(this.stopButton.querySelector("span"), isStopping ? t("Stopping…") : t("Stop"));
    this.isStoppable = status === "running" || status === "waiting";
    setAttribute(this.root, "data-answer", question !== null);
    this.#refresh();
  }

  /** Of the text, in code points, as the server counts; the exact count only where it matters. */
  get length() {
    const { value } = this.field;
    return value.length <= this.maxChars ? value.length : Array.from(value).length;
  }

  #filled(slot) {
    const fillings = fillingsOf(slot.dataset.slot).map((Filling) => new Filling(this));
    slot.append(...fillings.map(({ root }) => root));
    return fillings;
  }

  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work: its Enter ends a word
    if (
      event.key === "Enter" &&
      !event.shiftKey &&
      !event.altKey &&
      (!isTouch.matches || event.ctrlKey || event.metaKey)
    ) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "ArrowUp" && !this.field.value && !event.altKey) {
      event.preventDefault();
      this.actions.editLast();
    }
  }

  #send() {
    if (this.sendButton.disabled) return;
    const text = this.field.value;
    this.field.value = "";
    this.#changed({ keepDraft: true });
    this.actions.send(text, this.uploads.take());
  }

  #changed({ keepDraft = false } = {}) {
    if (!CSS.supports("field-sizing", "content")) this.#grow();
    setAttribute(this.field, "dir", directionOf(this.field.value));
    if (!keepDraft) this.saveDraft();
    this.#refresh();
  }

  #refresh() {
    const { isClosed } = this.look;
    const { done, isBusy } = this.uploads;
    const isEmpty = !this.field.value.trim() && !done.length;
    this.sendButton.disabled = isClosed || isEmpty || isBusy || this.length > this.maxChars;
    for (const filling of this.slots) filling.update(this.look);
  }

  #grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
  }
}
