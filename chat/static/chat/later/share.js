/** The dialog that makes links which show a conversation, and takes them back. */
import { copyText, showCopied } from "chat/copy.js";
import { button, byId, el, setText } from "chat/dom.js";
import { clockTime } from "chat/format.js";
import { dialogs } from "chat/registries.js";
import { t, tn } from "chat/words.js";

class ShareDialog {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor(page) {
    this.page = page;
    this.dialog = byId("share");
    this.form = byId("share-form");
    this.list = byId("share-links");
    this.note = byId("share-note");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#make();
    });
    byId("share-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.page.menu.focusAnchor());
  }

  /** @param {{id: string}} chat */
  open(chat) {
    this.chat = chat;
    this.page.sidebar.closeDrawer();
    this.list.replaceChildren();
    setText(this.note, "");
    this.dialog.showModal();
    this.#load();
  }

  async #load() {
    await this.#try(async () => {
      const { shares } = await this.page.api.shares(this.chat.id);
      this.list.replaceChildren(...shares.map((share) => this.#item(share)));
    });
  }

  async #make() {
    const { follows, tools, days } = this.form.elements;
    const wanted = { follows: follows.value === "true", with_tools: tools.checked, days: Number(days.value) };
    await this.#try(async () => {
      const share = await this.page.api.share(this.chat.id, wanted);
      const item = this.#item(share);
      this.list.prepend(item);
      setText(this.note, t("The link works now. Whoever has it can read the conversation."));
      item.querySelector("button").focus();
    });
  }

  #item(share) {
    const shows = share.follows
      ? t("Follows the conversation")
      : t("As it was on {time}", { time: clockTime(share.created) });
    const facts = [shows, share.with_tools && t("with tools"), t("until {time}", { time: clockTime(share.expires) })];
    const views = share.views ? tn(share.views, "opened once", "opened {n} times") : t("not opened yet");
    const field = el("input", { type: "text", readonly: true, dir: "ltr", value: share.url, "aria-label": t("Link") });
    field.addEventListener("focus", () => field.select());
    const copy = async ({ currentTarget }) => {
      if (await copyText(share.url)) showCopied(currentTarget);
      else field.focus();
    };
    const item = el(
      "li",
      { class: "share-link" },
      el(
        "div",
        { class: "share-address" },
        field,
        button({ class: "quiet", onclick: copy }, "copy", t("Copy")),
        button({ class: "quiet danger", onclick: () => this.#revoke(share, item) }, "", t("Revoke")),
      ),
      el("p", { class: "share-facts" }, [...facts, views].filter(Boolean).join(" · ")),
    );
    return item;
  }

  async #revoke(share, item) {
    await this.#try(async () => {
      await this.page.api.revoke(share.id).catch((error) => {
        if (error.status !== 404) throw error; // revoked already, in another window
      });
      item.remove();
      setText(this.note, t("Revoked: the link shows nothing any more."));
      byId("share-make").focus();
    });
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      setText(this.note, error.details ? t(error.details) : t("That did not work. Try again in a moment."));
    }
  }
}

dialogs.register("share", ShareDialog);
