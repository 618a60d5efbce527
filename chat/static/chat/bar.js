/** The frame around the turns: title and agent in the bar, the pill of the connection, the banner above the composer. */
import { button, byId, el, icon, setAttribute, setIcon, setText } from "chat/dom.js";
import { ELSEWHERE, NOT_FOUND, SIGN_IN } from "chat/protocol.js";
import { t, tn } from "chat/words.js";

const UNNOTICED_MS = 2_000; // a break so short is nobody's business

export class Bar {
  /** @param {{site: string, isEmbedded: boolean}} config  in another site's frame the agent is the title */
  constructor({ site, isEmbedded }) {
    Object.assign(this, { site, isEmbedded });
    this.pill = byId("pill");
    this.pillText = el("span");
    this.pill.append(icon("wait"), this.pillText);
  }

  /** @param {import("chat/state.js").State} state @param {{now: number, agent: string, isEmpty: boolean}} extra */
  update({ conversation, ask, link }, { now, agent, isEmpty }) {
    const title = (this.isEmbedded && agent) || conversation.title || unnamed(conversation, link);
    setText(byId("title"), title);
    const label = `${ask ? "(?) " : ""}${title} · ${this.site}`;
    if (document.title !== label) document.title = label;
    const more = byId("chat-more"); // not in another site's frame
    if (more) more.hidden = !conversation.stored || link.code === NOT_FOUND;
    const temporary = byId("temporary");
    if (temporary) {
      temporary.hidden = conversation.stored || !isEmpty;
      setAttribute(temporary, "aria-pressed", String(Boolean(conversation.temporary)));
    }
    const chip = byId("agent");
    chip.hidden = !agent || isEmpty || this.isEmbedded;
    setText(chip, agent);
    this.#pill(link, now);
  }

  #pill(link, now) {
    const [state, symbol, text] = pillOf(link, now);
    this.pill.hidden = false;
    setAttribute(this.pill, "data-state", state);
    setIcon(this.pill, symbol);
    setText(this.pillText, text);
  }
}

function unnamed({ stored, temporary }, link) {
  if (link.code === NOT_FOUND) return t("Not found");
  if (temporary) return t("Temporary chat");
  return stored ? t("Untitled") : t("New chat");
}

export class Banner {
  /** @param {object} actions @param {{signIn: string}} config */
  constructor(actions, config) {
    Object.assign(this, { actions, config });
    this.root = byId("banner");
  }

  update(state, now) {
    const content = bannerOf(state, now, this.config);
    this.root.hidden = !content;
    if (!content) return (this.key = null);
    if (content.key !== this.key) this.#build(content);
    setText(this.text, content.text);
  }

  #build({ key, kind, icon: symbol, links = [], buttons = [] }) {
    this.key = key;
    this.text = el("span", { dir: "auto" });
    setAttribute(this.root, "data-kind", kind);
    this.root.replaceChildren(
      icon(symbol),
      this.text,
      ...links.map(([text, href]) => el("a", { class: "banner-button", href }, text)),
      ...buttons.map(([text, action]) =>
        button({ class: "banner-button", onclick: () => this.actions[action]() }, "", text),
      ),
    );
  }
}

const seconds = (ms) => Math.max(1, Math.ceil(ms / 1000));

/** @returns {[state: string, icon: string, text: string]} */
function pillOf(link, now) {
  if (link.phase === "open") return ["ok", "online", t("Connected")];
  if (link.phase === "closed")
    return [
      "off",
      "offline",
      { [SIGN_IN]: t("Signed out"), [ELSEWHERE]: t("Open elsewhere"), [NOT_FOUND]: t("Not found") }[link.code] ??
        t("Not allowed"),
    ];
  if (!navigator.onLine) return ["off", "offline", t("Offline")];
  if (link.phase === "waiting") return ["wait", "wait", t("Reconnecting in {n} s", { n: seconds(link.retryAt - now) })];
  return ["wait", "wait", link.code || link.attempts ? t("Reconnecting…") : t("Connecting…")];
}

/** @returns {{key: string, kind: string, icon: string, text: string, links?: [string, string][], buttons?: [string, string][]}|null} */
function bannerOf({ link, pending, notice, trouble, unkept }, now, { signIn }) {
  if (link.phase === "closed" && link.code === SIGN_IN && !signIn) {
    return {
      key: "no ticket",
      kind: "warn",
      icon: "user",
      text: t("The page around the chat has not said who you are."),
      buttons: [[t("Try again"), "reconnect"]],
    };
  }
  if (link.phase === "closed" && link.code === SIGN_IN) {
    return {
      key: "sign-in",
      kind: "warn",
      icon: "user",
      text: t("You are signed out. Your draft is kept."),
      links: [[t("Sign in"), signIn]],
    };
  }
  if (link.phase === "closed" && link.code === ELSEWHERE) {
    return {
      key: "elsewhere",
      kind: "warn",
      icon: "offline",
      text: t("The chat was opened in another window."),
      buttons: [[t("Continue here"), "reconnect"]],
    };
  }
  if (notice)
    return {
      key: `notice ${notice.code}`,
      kind: "err",
      icon: "alert",
      text: t(notice.details),
      buttons: [[t("Dismiss"), "dismissNotice"]],
    };
  if (link.phase === "open" || link.phase === "closed" || now - link.since < UNNOTICED_MS) return unkeptOf(unkept);
  const queued = pending.length ? ` ${tn(pending.length, "One message waits here.", "{n} messages wait here.")}` : "";
  if (!navigator.onLine)
    return { key: "offline", kind: "warn", icon: "offline", text: `${t("You are offline.")}${queued}` };
  if (trouble)
    return {
      key: "trouble",
      kind: "err",
      icon: "offline",
      text:
        `${t("The server is there, but the live connection that answers come over cannot be opened.")}${queued} ` +
        t("For whoever runs this site: {trouble}", { trouble }),
      buttons: [[t("Try again"), "reconnect"]],
    };
  return {
    key: "lost",
    kind: "warn",
    icon: "offline",
    text: `${t("No connection to the server.")}${queued}`,
    buttons: [[t("Retry now"), "reconnect"]],
  };
}

const UNKEPT = {
  blocked: t(
    "This browser keeps nothing for this site: cookies or storage are blocked. Drafts end with this page, and so do conversations without an account.",
  ),
  full: t("This browser's storage for this site is full. What you type is kept as long as this page is open."),
};

const unkeptOf = (problem) =>
  problem
    ? { key: problem, kind: "warn", icon: "alert", text: UNKEPT[problem], buttons: [[t("Dismiss"), "dismissUnkept"]] }
    : null;
