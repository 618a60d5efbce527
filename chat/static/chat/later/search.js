/** The search over all conversations: a dialog that answers as one types, and goes to the message that was found. */
import { byId, el, icon, setText } from "chat/dom.js";
import { clockTime, counted } from "chat/format.js";
import { dialogs } from "chat/registries.js";
import { t } from "chat/words.js";

const PAUSE_MS = 120; // after a key, before the server is asked
const UNREAD_MS = 250; // while the server reads what it has not read yet
const RECENT = 6;

class Search {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
    this.dialog = byId("search");
    this.field = byId("search-field");
    this.results = byId("search-results");
    this.note = byId("search-note");
    this.asked = 0; // counts the questions: a late answer to an older one is not shown
    byId("search-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", ({ target }) => target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.#stop());
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.field.addEventListener("input", () => this.#ask(PAUSE_MS));
  }

  open() {
    this.page.sidebar.closeDrawer();
    this.results.replaceChildren();
    this.dialog.showModal();
    this.field.select();
    this.#ask(0);
  }

  #stop() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.asked += 1;
  }

  #ask(ms) {
    this.#stop();
    const { asked } = this;
    this.timer = setTimeout(() => this.#answer(this.field.value.trim(), asked), ms);
  }

  async #answer(query, asked) {
    if (!query) this.#showRecent();
    this.request = new AbortController();
    let found;
    try {
      found = await this.page.api.search(query, this.request.signal);
    } catch {
      if (asked === this.asked) setText(this.note, t("The search did not answer. Try again in a moment."));
      return;
    }
    if (asked !== this.asked) return;
    if (query) this.#show(query, found);
    if (!found.complete) this.timer = setTimeout(() => this.#answer(query, asked), UNREAD_MS);
  }

  #showRecent() {
    const recent = this.page.store.state.chats.items.slice(0, RECENT);
    setText(this.note, "");
    this.results.replaceChildren(...this.#group(t("Recent"), recent.map((chat) => this.#chat(chat)))); // prettier-ignore
  }

  #show(query, { hits, titles, complete, has_index: hasIndex }) {
    const count = hits.length + titles.length;
    const focused = document.activeElement?.closest("a")?.getAttribute("href");
    this.results.replaceChildren(
      ...this.#group(t("Conversations"), titles.map((chat) => this.#chat(chat))), // prettier-ignore
      ...this.#group(t("Messages"), hits.map((hit) => this.#hit(hit))), // prettier-ignore
    );
    if (focused) (this.#links.find((link) => link.getAttribute("href") === focused) ?? this.field).focus();
    setText(this.note, searchNote(query, count, { complete, hasIndex }));
  }

  #group(title, items) {
    if (!items.length) return [];
    return [el("h3", { class: "found-group" }, title), el("ul", {}, ...items.map((item) => el("li", {}, item)))];
  }

  #chat({ id, title, updated }) {
    return this.#link(this.page.router.addressOf(id), () => this.page.conversations.go(id), title, updated);
  }

  #hit({ conversation, title, seq, sender, agent, timestamp, passage, current }) {
    const who = sender === "user" ? t("You") : agent || t("Assistant");
    const text = el(
      "span",
      { class: "found-passage", dir: "auto" },
      el("b", {}, `${who}: `),
      ...passage.map(([piece, isHit]) => (isHit ? el("mark", {}, piece) : piece)),
    );
    const old = current ? null : el("span", { class: "found-old" }, icon("again"), t("Earlier version"));
    const go = () => this.page.dialogs.with("jump", (jump) => jump.to(conversation, seq));
    return this.#link(`${this.page.router.addressOf(conversation)}#r${seq}`, go, title, timestamp, text, old);
  }

  #link(href, go, title, time, ...more) {
    const open = (event) =>
      this.page.sidebar.follow(event, () => {
        this.dialog.close();
        go();
      });
    return el(
      "a",
      { class: "found", href, onclick: open },
      el(
        "span",
        { class: "found-head" },
        el("span", { class: "found-title", dir: "auto" }, title || t("Untitled")),
        el("time", { class: "found-time", datetime: time }, clockTime(time)),
      ),
      ...more,
    );
  }

  get #links() {
    return Array.from(this.results.querySelectorAll("a"));
  }

  /** The arrows go from the field to what was found, and back; Enter in the field opens the first. */
  #key(event) {
    if (event.isComposing || event.keyCode === 229) return;
    const places = [this.field, ...this.#links];
    const at = places.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 }[event.key];
    if (to !== undefined && at >= 0) {
      event.preventDefault();
      places[Math.max(0, Math.min(to, places.length - 1))].focus();
    } else if (event.key === "Enter" && at === 0) {
      event.preventDefault();
      places[1]?.click();
    }
  }
}

function searchNote(query, count, { complete, hasIndex }) {
  const found = count ? counted(count, "{n} result", "{n} results") : t("Nothing found for “{query}”.", { query });
  if (!hasIndex) return `${found} · ${t("Only titles are searched: this server's database has no index of words.")}`;
  return complete ? found : `${found} · ${t("Older conversations are still being read…")}`;
}

dialogs.register("search", Search);
