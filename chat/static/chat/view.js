/** The page around the turns, drawn from the state: bar, pill, banner, empty page, composer's look. */
import { KeyedList, button, el, icon, setAttribute, setIcon, setText } from "chat/dom.js";
import { avatar } from "chat/folds.js";
import { ELSEWHERE, FORBIDDEN, NOT_FOUND, SIGN_IN } from "chat/protocol.js";
import { isBusy, shownLog } from "chat/state.js";
import { transcript } from "chat/transcript.js";
import { PendingView, TurnView } from "chat/turns.js";

const QUIET_MS = 2_000; // a break so short is nobody's business
const find = (id) => document.getElementById(id);

export class View {
  /**
   * @param {object} options
   * @param {object[]} options.agents  as the template gives them
   * @param {object} options.actions  what buttons do (main.js)
   * @param {{site: string, signIn: string}} options.config
   * @param {import("chat/composer.js").Composer} options.composer
   */
  constructor({ agents, actions, config, composer }) {
    Object.assign(this, { agents, actions, config, composer });
    this.byName = new Map(agents.map((agent) => [agent.name, agent]));
    this.byKey = new Map(agents.map((agent) => [agent.key, agent]));
    this.turns = new KeyedList(find("turns"), ({ kind }) => (kind === "pending" ? new PendingView() : new TurnView()));
    this.pill = find("pill");
    this.pillText = el("span");
    this.pill.append(icon("wait"), this.pillText);
    this.banner = find("banner");
  }

  /** @param {import("chat/state.js").State} state @param {{now: number, sent: Set<string>, answers: boolean, agent: string}} extra */
  render(state, { now, sent, answers, agent }) {
    const { link, status, conversation } = state;
    const isOpen = link.phase === "open";
    const context = { state, actions: this.actions, now, agents: this.byName, canAct: isOpen && !isBusy(state) };
    const { greeting, turns } = transcript(shownLog(state), status.turn);
    const pending = state.pending.filter(({ frame }) => frame.content);
    this.hasTurns = turns.length + pending.length > 0;
    this.lastTurn = turns.at(-1)?.id ?? null;
    this.#turns({ greeting, turns, pending, state, sent }, context);
    const name = conversation.agent?.name || this.byKey.get(agent)?.name || "";
    this.#bar(state, name);
    this.#pill(link, now);
    this.#banner(state, now);
    this.#empty(state, agent, Boolean(greeting));
    find("earlier").hidden = !shownLog(state).earlier || !isOpen;
    setAttribute(find("earlier"), "aria-busy", state.loadingEarlier || null);
    const question = answers && (state.ask?.kind ?? "text") === "text" ? state.ask : null;
    this.composer.update({
      agent: name,
      status: isOpen ? status.state : "idle",
      question,
      isClosed: [NOT_FOUND, FORBIDDEN].includes(link.code),
    });
  }

  editLast() {
    if (this.lastTurn) this.turns.get(this.lastTurn)?.editUser();
  }

  #turns({ greeting, turns, pending, state, sent }, context) {
    const { status, ask } = state;
    const shown = greeting ? [greeting, ...turns] : turns;
    const isShown = shown.some(({ id }) => id === status.turn);
    const current = isShown ? status.turn : shown.at(-1)?.id;
    const busy = isBusy(state) && state.link.phase !== "closed";
    const items = shown.map((turn, at) => ({
      kind: "turn",
      key: turn.id,
      turn,
      isLast: at === shown.length - 1 && !pending.length,
      isWorking: busy && turn.id === current && turn.user !== null,
      isLive: sent.has(turn.user?.client_id) || sent.has(turn.id),
      request: ask && turn.id === current ? ask : null,
    }));
    const waiting = pending.map((item, at) => ({
      kind: "pending",
      key: item.id,
      pending: item,
      isLast: at === pending.length - 1,
      isLive: sent.has(item.id),
    }));
    this.turns.update([...items, ...waiting], context);
  }

  #bar({ conversation, ask, link }, agentName) {
    const unnamed = link.code === NOT_FOUND ? "Not found" : conversation.stored ? "Untitled" : "New chat";
    const title = conversation.title || unnamed;
    setText(find("title"), title);
    const label = `${ask ? "(?) " : ""}${title} · ${this.config.site}`;
    if (document.title !== label) document.title = label;
    const chip = find("agent");
    chip.hidden = !agentName || !this.hasTurns;
    setText(chip, agentName);
  }

  #pill(link, now) {
    const [state, symbol, text] = pillOf(link, now);
    this.pill.hidden = false;
    setAttribute(this.pill, "data-state", state);
    setIcon(this.pill, symbol);
    setText(this.pillText, text);
  }

  #banner(state, now) {
    const content = bannerOf(state, now, this.config);
    this.banner.hidden = !content;
    if (!content) return (this.bannerKey = null);
    if (content.key !== this.bannerKey) {
      this.bannerKey = content.key;
      this.bannerText = el("span", { dir: "auto" });
      setAttribute(this.banner, "data-kind", content.kind);
      const links = (content.links ?? []).map(([text, href]) => el("a", { class: "banner-button", href }, text));
      const buttons = (content.buttons ?? []).map(([text, action]) =>
        button({ class: "banner-button", onclick: () => this.actions[action]() }, "", text),
      );
      this.banner.replaceChildren(icon(content.icon), this.bannerText, ...links, ...buttons);
    }
    setText(this.bannerText, content.text);
  }

  /** The page before the first message; a grey outline while a stored conversation is on its way. */
  #empty(state, agentKey, hasGreeting) {
    const { conversation, link } = state;
    const isLoading = conversation.stored && !state.replayed && link.phase !== "closed" && !this.hasTurns;
    const isMissing = link.phase === "closed" && [NOT_FOUND, FORBIDDEN].includes(link.code);
    const isEmpty = !this.hasTurns && !isLoading && !isMissing;
    const agent = this.byKey.get(conversation.agent?.key ?? agentKey) ?? this.agents[0];
    const canPick = isEmpty && !conversation.stored && this.agents.length > 1;
    const key = isMissing
      ? "missing"
      : isLoading
        ? "loading"
        : isEmpty && !hasGreeting
          ? `agent ${agent?.key} ${canPick}`
          : "";
    const root = find("empty");
    root.hidden = !key;
    find("turns").hidden = isMissing; // deleted in another window: nothing of it stays here
    if (key !== this.emptyKey) {
      this.emptyKey = key;
      const make =
        { missing: () => missing(this.actions), loading: skeleton, "": () => [] }[key] ??
        (() => this.#welcome(agent, canPick));
      root.replaceChildren(...make());
    }
    this.#starters(isEmpty ? agent : null);
  }

  #welcome(agent, canPick) {
    if (!agent) return [el("h2", {}, "What can I do for you?")];
    const greeting = agent.greeting || "What can I do for you?";
    const text = agent.greeting ? "" : agent.description;
    return [
      avatar(agent.name, { image: agent.avatar, size: "large" }),
      el("h2", { dir: "auto" }, greeting),
      text && !canPick ? el("p", { dir: "auto" }, text) : null,
      canPick ? this.#picker(agent) : null,
    ].filter(Boolean);
  }

  #picker(current) {
    const choose = ({ target }) => this.actions.chooseAgent(target.value);
    const option = (agent) =>
      el(
        "label",
        { class: "agent-card" },
        el("input", { type: "radio", name: "agent", value: agent.key, checked: agent === current }),
        avatar(agent.name, { image: agent.avatar, size: "small" }),
        el(
          "span",
          { class: "agent-text" },
          el("b", { dir: "auto" }, agent.name),
          el("span", { dir: "auto" }, agent.description),
        ),
      );
    return el(
      "fieldset",
      { class: "agent-picker", onchange: choose },
      el("legend", { class: "hidden" }, "Agent"),
      ...this.agents.map(option),
    );
  }

  #starters(agent) {
    const root = find("starters");
    const starters = agent?.starters ?? [];
    root.hidden = !starters.length;
    if (agent === this.startersOf) return;
    this.startersOf = agent;
    root.replaceChildren(
      ...starters.map((text) =>
        button({ class: "starter", dir: "auto", onclick: () => this.actions.useStarter(text) }, "", text),
      ),
    );
  }
}

function missing(actions) {
  return [
    icon("question"),
    el("h2", {}, "This conversation is not here"),
    el("p", {}, "It was deleted, or it belongs to someone else."),
    button({ class: "primary", onclick: () => actions.openNew() }, "compose", "New chat"),
  ];
}

function skeleton() {
  const line = (width) => el("span", { class: `bone ${width}` });
  return [
    el(
      "div",
      { class: "skeleton", role: "img", "aria-label": "Loading the conversation" },
      line("end"),
      line("long"),
      line("long"),
      line("short"),
    ),
  ];
}

const seconds = (ms) => Math.max(1, Math.ceil(ms / 1000));

/** @returns {[state: string, icon: string, text: string]} */
function pillOf(link, now) {
  if (link.phase === "open") return ["ok", "online", "Connected"];
  if (link.phase === "closed")
    return [
      "off",
      "offline",
      { [SIGN_IN]: "Signed out", [ELSEWHERE]: "Open elsewhere", [NOT_FOUND]: "Not found" }[link.code] ?? "Not allowed",
    ];
  if (!navigator.onLine) return ["off", "offline", "Offline"];
  if (link.phase === "waiting") return ["wait", "wait", `Reconnecting in ${seconds(link.retryAt - now)} s`];
  return ["wait", "wait", link.code || link.attempts ? "Reconnecting…" : "Connecting…"];
}

/** @returns {{key: string, kind: string, icon: string, text: string, links?: [string, string][], buttons?: [string, string][]}|null} */
function bannerOf({ link, pending, notice }, now, { signIn }) {
  if (link.phase === "closed" && link.code === SIGN_IN) {
    return {
      key: "sign-in",
      kind: "warn",
      icon: "user",
      text: "You are signed out. Your draft is kept.",
      links: [["Sign in", signIn]],
    };
  }
  if (link.phase === "closed" && link.code === ELSEWHERE) {
    return {
      key: "elsewhere",
      kind: "warn",
      icon: "offline",
      text: "The chat was opened in another window.",
      buttons: [["Continue here", "reconnect"]],
    };
  }
  if (notice)
    return {
      key: `notice ${notice.code}`,
      kind: "err",
      icon: "alert",
      text: notice.details,
      buttons: [["Dismiss", "dismissNotice"]],
    };
  if (link.phase === "open" || link.phase === "closed" || now - link.since < QUIET_MS) return null;
  const queued = pending.length
    ? ` ${pending.length === 1 ? "One message waits" : `${pending.length} messages wait`} here.`
    : "";
  if (!navigator.onLine) return { key: "offline", kind: "warn", icon: "offline", text: `You are offline.${queued}` };
  return {
    key: "lost",
    kind: "warn",
    icon: "offline",
    text: `No connection to the server.${queued}`,
    buttons: [["Retry now", "reconnect"]],
  };
}
