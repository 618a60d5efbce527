/** The list of conversations as elements: groups of entries. */
import { KeyedList, el, icon, iconButton, setAttribute, setText } from "chat/dom.js";
import { t } from "chat/words.js";

/** The entry of a conversation, where it is in the list. @returns {Element|undefined} */
export const entryOf = (id) => document.querySelector(`#chats a[data-id="${id}"]`)?.closest(".chat-item");

export class Group {
  /** @param {import("chat/sidebar.js").Sidebar} sidebar */
  constructor(sidebar) {
    this.title = el("h2", { class: "chats-group" });
    this.items = el("ul");
    this.root = el("section", {}, this.title, this.items);
    this.list = new KeyedList(this.items, () => new Item(sidebar));
  }

  update({ title, chats }, context) {
    setText(this.title, title);
    this.list.update(
      chats.map((chat) => ({ key: chat.id, chat })),
      context,
    );
  }
}

const BADGES = {
  running: ["wait", t("Working")],
  stopping: ["wait", t("Stopping")],
  waiting: ["question", t("Waits for your answer")],
};

class Item {
  constructor(sidebar) {
    this.title = el("span", { class: "chat-title", dir: "auto" });
    this.badge = el("span", { class: "chat-badge" });
    this.link = el(
      "a",
      { class: "chat", onclick: (event) => sidebar.follow(event, () => sidebar.options.open(this.chat.id)) },
      this.title,
      this.badge,
    );
    this.menu = iconButton(t("Options"), "more", {
      "aria-haspopup": "true",
      "aria-expanded": "false",
      onclick: () => sidebar.options.menu.open(this.menu, this.chat),
    });
    this.box = el("input", {
      type: "checkbox",
      class: "chat-box",
      hidden: true,
      onchange: () => sidebar.selection.set(this.chat.id, this.box.checked),
    });
    this.root = el("li", { class: "chat-item" }, this.box, this.link, this.menu);
    this.page = sidebar.options.page;
  }

  /** @param {{current: string, selected: Set<string>|null}} context  `selected`: while several are being chosen */
  update({ chat }, { current, selected }) {
    const isCurrent = chat.id === current;
    setAttribute(this.link, "aria-current", isCurrent ? "page" : null);
    this.box.hidden = selected === null;
    this.menu.hidden = selected !== null;
    this.box.checked = Boolean(selected?.has(chat.id));
    if (chat === this.chat && isCurrent === this.isCurrent) return;
    Object.assign(this, { chat, isCurrent });
    const title = chat.title || t("Untitled");
    setText(this.title, title);
    setAttribute(this.link, "title", chat.title || null);
    setAttribute(this.link, "href", `${this.page}c/${chat.id}/`);
    setAttribute(this.link, "data-id", chat.id);
    setAttribute(this.menu, "aria-label", t("Options for “{title}”", { title }));
    setAttribute(this.box, "aria-label", t("Select “{title}”", { title }));
    const isUnread = !isCurrent && chat.newest_seq > chat.read_seq;
    const badge = BADGES[chat.state] ?? (isUnread ? ["online", t("New messages")] : null);
    setAttribute(this.root, "data-unread", isUnread);
    this.badge.replaceChildren(...(badge ? [icon(badge[0]), el("span", { class: "hidden" }, badge[1])] : []));
  }
}
