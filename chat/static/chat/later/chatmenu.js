/** The menu of one conversation: at its entry in the list, and in the bar above the one that is shown. */
import { setText } from "chat/dom.js";
import { dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

class ChatMenu {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
    this.root = document.querySelector("#chat-menu");
    this.root.addEventListener("click", ({ target }) => {
      const item = target.closest(".menu-item");
      if (!item) return;
      this.root.hidePopover();
      this.#do(item.dataset.action);
    });
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("toggle", ({ newState }) => {
      this.anchor?.setAttribute("aria-expanded", String(newState === "open"));
      if (newState === "closed" && this.root.contains(document.activeElement)) this.anchor.focus();
    });
    addEventListener("resize", () => this.root.matches(":popover-open") && this.#place());
  }

  /** @param {HTMLElement} anchor  the button that opens it @param {{id: string, title: string}} chat */
  open(anchor, chat) {
    Object.assign(this, { anchor, chat });
    anchor.closest("dialog, .sidebar, .bar").append(this.root); // what is outside of an open dialog is inert
    for (const link of this.root.querySelectorAll("[data-format]"))
      link.href = `${this.page.api.root}conversations/${chat.id}/export?format=${link.dataset.format}`;
    this.root.querySelector("#chat-print").href = `${this.page.router.addressOf(chat.id)}print/`;
    const name = (action, text) => setText(this.root.querySelector(`[data-action=${action}] span`), text);
    name("pin", chat.pinned ? t("Take the pin off") : t("Pin"));
    name("archive", chat.archived ? t("Take out of the archive") : t("Archive"));
    for (const action of ["pin", "archive", "folder"])
      this.root.querySelector(`[data-action=${action}]`).hidden = Boolean(chat.temporary);
    this.root.querySelector("[data-action=select]").hidden = anchor.closest(".bar") !== null;
    this.root.querySelector("[data-action=share]").hidden = !this.#mayShare(chat);
    this.root.showPopover();
    this.#place();
    this.root.querySelector(".menu-item:not([hidden])").focus();
  }

  /** Arrows go from item to item, round and round. */
  #key(event) {
    const items = Array.from(this.root.querySelectorAll(".menu-item:not([hidden])"));
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items.at(to % items.length).focus();
  }

  #do(action) {
    const { sidebar, dialogs: others } = this.page;
    const { chat } = this;
    const ids = [chat.id];
    const actions = {
      rename: () => sidebar.rename(chat),
      pin: () => sidebar.pin(chat),
      archive: () => sidebar.archive(ids, !chat.archived),
      folder: () => sidebar.moveTo(ids, chat.folder ?? ""),
      select: () => sidebar.selection.begin(chat.id),
      share: () => others.with("share", (share) => share.open(chat)),
      delete: () => sidebar.remove(ids),
    };
    actions[action]?.();
  }

  #mayShare({ agent, temporary }) {
    return !temporary && (this.page.agents.find(({ key }) => key === agent)?.share ?? false);
  }

  #place() {
    const { bottom, top, left, right } = this.anchor.getBoundingClientRect();
    const { offsetHeight: height, offsetWidth: width } = this.root;
    const isRightToLeft = getComputedStyle(this.anchor).direction === "rtl";
    const start = isRightToLeft ? left : right - width;
    this.root.style.left = `${Math.max(8, Math.min(start, innerWidth - width - 8))}px`;
    this.root.style.top = `${Math.max(8, bottom + height + 8 > innerHeight ? top - height - 4 : bottom + 4)}px`;
  }
}

dialogs.register("menu", ChatMenu);
