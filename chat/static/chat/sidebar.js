/** The list of conversations, in the sidebar or, on a narrow window, in the drawer. */
import { KeyedList, el, icon, iconButton, setAttribute, setText } from "chat/dom.js";
import { dateGroup } from "chat/format.js";
import { t } from "chat/words.js";

const UNDO_MS = 6_000;
const narrow = matchMedia("(max-width: 760px)");

export class Sidebar {
  /**
   * @param {object} options
   * @param {(id: string) => void} options.open
   * @param {() => void} options.openNew
   * @param {(id: string, title: string) => void} options.rename
   * @param {(id: string) => void} options.remove  for good
   * @param {() => void} options.more
   * @param {import("chat/chatmenu.js").ChatMenu} options.menu
   * @param {import("chat/toasts.js").Toasts} options.toasts
   * @param {string} options.page
   */
  constructor(options) {
    this.options = options;
    this.doomed = new Map(); // deleted here, still to be undone: id -> timer
    this.drawer = document.querySelector("#drawer");
    this.nav = document.querySelector("#chats");
    this.dialog = document.querySelector("#rename");
    this.groups = new KeyedList(this.nav, () => new Group(this));
    this.moreButton = el(
      "button",
      { class: "quiet more-chats", type: "button", onclick: () => options.more() },
      t("Show older"),
    );
    this.nothing = el("p", { class: "no-chats" }, t("Conversations appear here."));
    this.#bind();
  }

  update({ chats, conversation }) {
    const key = [chats, conversation.id, conversation.stored, this.doomed.size, new Date().getDate()];
    if (key.every((value, at) => value === this.key?.[at])) return;
    this.key = key;
    this.chats = chats;
    this.current = conversation.id;
    const items = chats.items.filter(({ id }) => !this.doomed.has(id));
    const groups = [];
    for (const chat of items) {
      const title = dateGroup(chat.updated);
      if (groups.at(-1)?.title !== title) groups.push({ key: title, title, chats: [] });
      groups.at(-1).chats.push(chat);
    }
    this.groups.update(groups, { current: conversation.id });
    setAttribute(document.querySelector("#new-chat"), "aria-current", conversation.stored ? null : "page");
    this.#tail(this.nothing, !items.length);
    this.#tail(this.moreButton, chats.more);
  }

  #tail(element, isShown) {
    if (!isShown) element.remove();
    else if (this.nav.lastElementChild !== element) this.nav.append(element);
  }

  closeDrawer() {
    if (this.drawer.open) this.drawer.close();
  }

  /** Open what a plain click asks for in this page; leave new tabs and windows to the browser. */
  follow(event, go) {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.closeDrawer();
    go();
  }

  #bind() {
    const place = () => {
      this.closeDrawer();
      const home = narrow.matches ? this.drawer : document.querySelector("#sidebar");
      home.append(document.querySelector("#sidebar-content"));
    };
    narrow.addEventListener("change", place);
    place();
    document.querySelector("#drawer-open").addEventListener("click", () => this.drawer.showModal());
    document.querySelector("#drawer-close").addEventListener("click", () => this.closeDrawer());
    this.drawer.addEventListener("click", ({ target }) => target === this.drawer && this.closeDrawer());
    document.querySelector("#new-chat").addEventListener("click", (event) => this.follow(event, this.options.openNew));
    document.querySelector("#rename-cancel").addEventListener("click", () => this.dialog.close());
    addEventListener("pagehide", () => this.#flush());
  }

  rename(chat) {
    const field = this.dialog.querySelector("input");
    field.value = chat.title;
    this.dialog.returnValue = "";
    this.dialog.onclose = () => {
      const title = field.value.trim();
      if (this.dialog.returnValue === "save" && title && title !== chat.title) this.options.rename(chat.id, title);
      this.options.menu.focusAnchor();
    };
    this.dialog.showModal();
    field.select();
  }

  /** Hidden at once, deleted when the time to undo is over. */
  remove(chat) {
    const order = Array.from(this.nav.querySelectorAll("a"));
    const at = order.findIndex(({ dataset }) => dataset.id === chat.id);
    const next = order[at + 1] ?? order[at - 1] ?? document.querySelector("#new-chat");
    this.doomed.set(
      chat.id,
      setTimeout(() => this.#delete(chat.id), UNDO_MS),
    );
    if (chat.id === this.current) this.options.openNew();
    this.update({ chats: this.chats, conversation: { id: this.current, stored: true } });
    next.focus();
    this.options.toasts.show(t("Deleted “{title}”", { title: chat.title || t("Untitled") }), {
      action: t("Undo"),
      onAction: () => this.#undo(chat),
      ms: UNDO_MS,
    });
  }

  #undo(chat) {
    clearTimeout(this.doomed.get(chat.id));
    this.doomed.delete(chat.id);
    this.update({ chats: this.chats, conversation: { id: this.current, stored: true } });
    this.nav.querySelector(`a[data-id="${chat.id}"]`)?.focus();
  }

  #delete(id) {
    clearTimeout(this.doomed.get(id));
    this.options.remove(id);
  }

  /** The page ends: what is deleted must not come back. */
  #flush() {
    for (const id of this.doomed.keys()) this.#delete(id);
  }

  /** The server has deleted it, or would not. */
  forget(id) {
    this.doomed.delete(id);
  }
}

class Group {
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
    this.root = el("li", { class: "chat-item" }, this.link, this.menu);
    this.page = sidebar.options.page;
  }

  update({ chat }, { current }) {
    const isCurrent = chat.id === current;
    setAttribute(this.link, "aria-current", isCurrent ? "page" : null);
    if (chat === this.chat && isCurrent === this.isCurrent) return;
    Object.assign(this, { chat, isCurrent });
    setText(this.title, chat.title || t("Untitled"));
    setAttribute(this.link, "title", chat.title || null);
    setAttribute(this.link, "href", `${this.page}c/${chat.id}/`);
    setAttribute(this.link, "data-id", chat.id);
    setAttribute(this.menu, "aria-label", t("Options for “{title}”", { title: chat.title || t("Untitled") }));
    const isUnread = !isCurrent && chat.read_seq > 0 && chat.newest_seq > chat.read_seq;
    const badge = BADGES[chat.state] ?? (isUnread ? ["online", t("New messages")] : null);
    setAttribute(this.root, "data-unread", isUnread);
    this.badge.replaceChildren(...(badge ? [icon(badge[0]), el("span", { class: "hidden" }, badge[1])] : []));
  }
}
