/** The list of conversations, in the sidebar or, on a narrow window, in the drawer. */
import { Group, entryOf } from "chat/chatitem.js";
import { KeyedList, byId, el, setAttribute } from "chat/dom.js";
import { dateGroup } from "chat/format.js";
import { SelectedChats } from "chat/selection.js";
import { keep, kept } from "chat/storage.js";
import { t, tn } from "chat/words.js";

const UNDO_MS = 6_000;
const COLLAPSED = "chat.sidebar"; // localStorage: "hidden" where the user does not want the list beside the chat
const narrow = matchMedia("(max-width: 760px)");

export class Sidebar {
  /**
   * @param {object} options
   * @param {(id: string) => void} options.open
   * @param {() => void} options.openNew
   * @param {(ids: string[], changes: object) => Promise<boolean>} options.change  how conversations are listed
   * @param {(id: string) => void} options.remove  for good
   * @param {() => void} options.more
   * @param {(view: string) => void} options.show  "", "archived" or "folder:NAME"
   * @param {{open: (anchor: Element, chat: object) => void, focusAnchor: () => void}} options.menu
   * @param {import("chat/toasts.js").Toasts} options.toasts
   * @param {string} options.page
   */
  constructor(options) {
    this.options = options;
    this.doomed = new Map(); // deleted here, still to be undone: id -> timer
    this.drawer = byId("drawer");
    this.nav = byId("chats");
    this.dialog = byId("rename");
    this.groups = new KeyedList(this.nav, () => new Group(this));
    this.moreButton = el(
      "button",
      { class: "quiet more-chats", type: "button", onclick: () => options.more() },
      t("Show older"),
    );
    this.nothing = el("p", { class: "no-chats" }, t("Conversations appear here."));
    this.view = byId("chats-view");
    this.selection = new SelectedChats({
      changed: () => this.#again(),
      actions: {
        archive: (ids) => this.archive(ids, !this.chats.items.find(({ id }) => id === ids[0])?.archived),
        folder: (ids) => this.moveTo(ids, ""),
        delete: (ids) => this.remove(ids),
      },
    });
    this.#bind();
    // The list goes on by itself when its end is near.
    new IntersectionObserver((entries) => entries.at(-1).isIntersecting && this.options.more(), {
      root: this.nav,
      rootMargin: "200px",
    }).observe(this.moreButton);
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
      const title = chat.pinned ? t("Pinned") : dateGroup(chat.updated);
      if (groups.at(-1)?.title !== title) groups.push({ key: title, title, chats: [] });
      groups.at(-1).chats.push(chat);
    }
    keepFocus(() => this.groups.update(groups, { current: conversation.id, selected: this.selection.ids }));
    setAttribute(byId("new-chat"), "aria-current", conversation.stored ? null : "page");
    this.#views(chats);
    this.#tail(this.nothing, !items.length);
    this.#tail(this.moreButton, chats.more);
  }

  #again() {
    this.key = null;
    if (this.chats) this.update({ chats: this.chats, conversation: { id: this.current, stored: true } });
  }

  #tail(element, isShown) {
    if (!isShown) element.remove();
    else if (this.nav.lastElementChild !== element) this.nav.append(element);
  }

  /** What there is to choose from: all, the archive, each folder. */
  #views({ folders, view }) {
    if (folders !== this.folders) {
      this.folders = folders;
      byId("chats-folders").hidden = !folders.length;
      byId("chats-folders").replaceChildren(...folders.map((name) => el("option", { value: `folder:${name}` }, name)));
      byId("folder-names").replaceChildren(...folders.map((name) => el("option", { value: name })));
    }
    if (this.view.value !== view) this.view.value = view;
    this.nothing.textContent = view ? t("Nothing here.") : t("Conversations appear here.");
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
      const home = narrow.matches ? this.drawer : byId("sidebar");
      home.append(byId("sidebar-content"));
    };
    narrow.addEventListener("change", place);
    place();
    byId("drawer-open").addEventListener("click", () => this.drawer.showModal());
    byId("drawer-close").addEventListener("click", () => this.closeDrawer());
    this.drawer.addEventListener("click", ({ target }) => target === this.drawer && this.closeDrawer());
    byId("new-chat").addEventListener("click", (event) => this.follow(event, this.options.openNew));
    byId("rename-cancel").addEventListener("click", () => this.dialog.close());
    byId("folder-cancel").addEventListener("click", () => byId("folder").close());
    this.view.addEventListener("change", () => this.options.show(this.view.value));
    const toggle = byId("sidebar-toggle");
    toggle?.addEventListener("click", () => this.#collapse(toggle.getAttribute("aria-expanded") === "true"));
    if (toggle && kept("localStorage", COLLAPSED) === "hidden") this.#collapse(true);
    addEventListener("pagehide", () => this.#flush());
  }

  #collapse(isCollapsed) {
    setAttribute(byId("app"), "data-collapsed", isCollapsed);
    const toggle = byId("sidebar-toggle");
    setAttribute(toggle, "aria-expanded", String(!isCollapsed));
    keep("localStorage", COLLAPSED, isCollapsed ? "hidden" : null);
  }

  rename(chat) {
    this.#ask(this.dialog, chat.title, (title) => {
      if (title && title !== chat.title) this.options.change([chat.id], { title });
    });
  }

  /** @param {string[]} ids @param {string} folder  where they are now */
  moveTo(ids, folder) {
    this.#ask(byId("folder"), folder, (name) => name !== folder && this.options.change(ids, { folder: name }));
  }

  #ask(dialog, value, answer) {
    const field = dialog.querySelector("input");
    field.value = value;
    dialog.returnValue = "";
    dialog.onclose = () => {
      if (dialog.returnValue === "save") answer(field.value.trim());
      this.options.menu.focusAnchor();
    };
    dialog.showModal();
    field.select();
  }

  pin(chat) {
    this.options.change([chat.id], { pinned: !chat.pinned });
  }

  async archive(ids, archived) {
    if (!(await this.options.change(ids, { archived }))) return;
    const text = archived
      ? tn(ids.length, "The conversation is in the archive", "{n} conversations are in the archive")
      : tn(ids.length, "The conversation is out of the archive", "{n} conversations are out of the archive");
    this.options.toasts.show(text, {
      action: t("Undo"),
      onAction: () => this.options.change(ids, { archived: !archived }),
      ms: UNDO_MS,
    });
  }

  /** Hidden at once, deleted when the time to undo is over. @param {string[]} ids */
  remove(ids) {
    const order = Array.from(this.nav.querySelectorAll("a"));
    const left = order.filter(({ dataset }) => !ids.includes(dataset.id));
    const at = order.findIndex(({ dataset }) => ids.includes(dataset.id));
    const next = left.find((link) => order.indexOf(link) > at) ?? left.at(-1) ?? byId("new-chat");
    for (const id of ids)
      this.doomed.set(
        id,
        setTimeout(() => this.#delete(id), UNDO_MS),
      );
    const title = this.chats.items.find(({ id }) => id === ids[0])?.title || t("Untitled");
    if (ids.includes(this.current)) this.options.openNew();
    this.#again();
    next.focus();
    const text = ids.length === 1 ? t("Deleted “{title}”", { title }) : deletedText(ids.length);
    this.options.toasts.show(text, { action: t("Undo"), onAction: () => this.#undo(ids), ms: UNDO_MS });
  }

  #undo(ids) {
    for (const id of ids) {
      clearTimeout(this.doomed.get(id));
      this.doomed.delete(id);
    }
    this.#again();
    this.nav.querySelector(`a[data-id="${ids[0]}"]`)?.focus();
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

const PARTS = ["a.chat", ".chat-box", ".icon-button"]; // of an entry

/** An entry that gets another place is another element there: what had the focus in it has it again. */
function keepFocus(change) {
  const focused = document.activeElement;
  const id = focused.closest(".chat-item")?.querySelector("a").dataset.id;
  change();
  if (!id || document.activeElement === focused) return;
  const part = PARTS.find((selector) => focused.matches(selector));
  entryOf(id)?.querySelector(part).focus();
}

const deletedText = (count) => tn(count, "Deleted {n} conversation", "Deleted {n} conversations");
