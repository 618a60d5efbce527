/** Going from one conversation to another; their list; their older records. */
import { whyNot } from "chat/api.js";
import { pendingOf } from "chat/outbox.js";
import { t } from "chat/words.js";

const STALE = new Set([401, 403]); // what another page load mends
const READ_MS = 8_000; // two sentences
const RELOAD_MS = 20_000;

export class Conversations {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
  }

  /** Show another conversation, under its address; "" is a new one. */
  go(id) {
    if (!id) this.page.store.dispatch({ type: "page/temporary", temporary: false });
    this.page.router.push(id);
    this.open(id);
    if (matchMedia("(hover: hover)").matches) this.page.composer.focus();
  }

  /** Show another conversation in this page; "" is a new one. */
  open(id) {
    const { store, connection, composer, follower } = this.page;
    const { items, ticket } = pendingOf(id);
    const title = store.state.chats.items.find((chat) => chat.id === id)?.title ?? "";
    connection.close();
    store.dispatch({ type: "page/open", id, ticket, title, pending: items });
    composer.open(
      id,
      items.map(({ frame }) => frame.content),
    );
    follower.toEnd();
  }

  /** Begin a conversation that is not kept, or one that is. */
  openTemporary(temporary) {
    this.page.store.dispatch({ type: "page/temporary", temporary });
    this.open("");
  }

  /** What was not to be kept is erased with the page, and so is what was typed in it. */
  leave({ id, temporary, stored }) {
    if (!temporary || !stored) return;
    this.page.composer.forgetDraft(id);
    this.page.api.remove(id).catch(() => {}); // the server erases it by itself, some time later
  }

  /** @param {string} [before]  go on after this conversation */
  async load(before) {
    const { store, api } = this.page;
    const { view } = store.state.chats;
    const wanted = view === "archived" ? { archived: 1 } : { folder: view.slice("folder:".length) || undefined };
    try {
      store.dispatch({ type: "page/chats", view, ...(await api.conversations({ before, ...wanted })) });
    } catch (error) {
      if (before) this.#tell(t("The list could not be loaded."), error);
    }
  }

  /** @param {string} view  what the list shows: "", "archived" or "folder:NAME" */
  show(view) {
    this.page.store.dispatch({ type: "page/chats-view", view });
    return this.load();
  }

  async loadMore() {
    if (this.isLoading) return;
    this.isLoading = true;
    await this.load(this.page.store.state.chats.items.at(-1)?.id);
    this.isLoading = false;
  }

  /** @returns {Promise<boolean>} whether they came */
  async loadEarlier({ limit } = {}) {
    const { store, api, follower } = this.page;
    if (store.state.loadingEarlier) return false;
    const { id } = store.state.conversation;
    store.dispatch({ type: "page/loading-earlier", loading: true });
    try {
      const { records, earlier } = await api.records(id, { before: store.state.log.oldest, limit });
      follower.keep(document.getElementById("turns").firstElementChild, () => {
        store.dispatch({ type: "page/earlier", id, records, earlier });
        this.page.draw();
      });
      return true;
    } catch (error) {
      store.dispatch({ type: "page/loading-earlier", loading: false });
      this.#tell(t("Earlier messages could not be loaded."), error);
      return false;
    }
  }

  async loadFeedback(id) {
    try {
      this.page.store.dispatch({ type: "page/feedback", id, ...(await this.page.api.feedback(id)) });
    } catch {
      // the thumbs are as nobody had pressed one
    }
  }

  /** Change how conversations are listed. @returns {Promise<boolean>} whether all are */
  async change(ids, changes) {
    try {
      for (const id of ids)
        this.page.store.dispatch({ type: "conversation", ...(await this.page.api.change(id, changes)) });
      return true;
    } catch (error) {
      this.#tell(t("The conversation could not be changed."), error);
      return false;
    }
  }

  async remove(id) {
    const { store, api, sidebar } = this.page;
    try {
      await api.remove(id);
      store.dispatch({ type: "page/chat-removed", id });
    } catch (error) {
      this.#tell(t("The conversation could not be deleted."), error);
    }
    sidebar.forget(id);
    this.page.schedule();
  }

  #tell(what, error) {
    const reload = { action: t("Load again"), onAction: () => location.reload(), ms: RELOAD_MS };
    this.page.toasts.show(`${what} ${whyNot(error)}`, STALE.has(error.status) ? reload : { ms: READ_MS });
  }
}
