/** The choice of an agent for a new conversation: cards for a few, a searchable list in groups for many. */
import { el, setAttribute, setText } from "chat/dom.js";
import { avatar } from "chat/folds.js";
import { counted } from "chat/format.js";
import { t } from "chat/words.js";

const MOST_CARDS = 8;

/** @returns {{title: string, agents: object[]}[]} in the order in which the groups first come; "" is none, and first */
export function groupsOf(agents) {
  const groups = new Map([["", []]]);
  for (const agent of agents) groups.set(agent.group, [...(groups.get(agent.group) ?? []), agent]);
  return Array.from(groups, ([title, members]) => ({ title, agents: members })).filter(({ agents }) => agents.length);
}

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/** Whether each of the words is somewhere in what is said of the agent. */
export function matches(agent, search) {
  const text = plain(`${agent.name} ${agent.description} ${agent.group}`);
  return plain(search)
    .split(/\s+/)
    .every((word) => text.includes(word));
}

export class Picker {
  /** @param {object[]} agents  as the template gives them @param {{choose: (key: string) => void, done: () => void}} actions */
  constructor(agents, { choose, done }) {
    Object.assign(this, { agents, choose, done });
    this.cards = new Map(agents.map((agent) => [agent.key, this.#card(agent)]));
    this.found = el("p", { class: "agent-found", role: "status" });
    const isLong = agents.length > MOST_CARDS;
    this.groups = groupsOf(agents).map((group) => this.#group(group));
    const list = el("div", { class: "agent-list" }, ...this.groups.map(({ root }) => root));
    this.root = el(
      "fieldset",
      { class: isLong ? "agent-picker long" : "agent-picker", onchange: ({ target }) => this.#changed(target) },
      el("legend", { class: "hidden" }, t("Agent")),
      ...(isLong ? [this.#search(), this.found] : []),
      list,
    );
  }

  /** @param {object} current  the agent that a new conversation gets */
  update(current) {
    const { input } = this.cards.get(current.key);
    if (input.checked) return;
    input.checked = true;
    input.scrollIntoView?.({ block: "nearest" });
  }

  #search() {
    const field = el("input", {
      type: "search",
      class: "agent-search",
      placeholder: t("Find one of {count}", { count: counted(this.agents.length, "{n} agent", "{n} agents") }),
      "aria-label": t("Find an agent"),
      autocomplete: "off",
      oninput: () => this.#filter(field.value),
      onkeydown: (event) => event.key === "Enter" && this.#take(event),
    });
    return field;
  }

  #filter(search) {
    for (const agent of this.agents) this.cards.get(agent.key).root.hidden = !matches(agent, search);
    for (const { root, agents } of this.groups)
      root.hidden = agents.every(({ key }) => this.cards.get(key).root.hidden);
    const count = this.#shown().length;
    setText(
      this.found,
      !search.trim() ? "" : count ? counted(count, "{n} agent", "{n} agents") : t("No agent is called that."),
    );
  }

  #shown() {
    return this.agents.filter(({ key }) => !this.cards.get(key).root.hidden);
  }

  /** Enter takes the first that is found. */
  #take(event) {
    event.preventDefault();
    const [first] = this.#shown();
    if (!first || event.isComposing) return;
    this.choose(first.key);
    this.done();
  }

  #changed(target) {
    if (target.name === "agent") this.choose(target.value);
  }

  #group({ title, agents }) {
    const id = title && `agents-${this.agents.indexOf(agents[0])}`;
    const root = el(
      "div",
      { class: "agent-group", ...(title && { role: "group", "aria-labelledby": id }) },
      title ? el("h3", { id, dir: "auto" }, title) : null,
      ...agents.map(({ key }) => this.cards.get(key).root),
    );
    return { root, agents };
  }

  #card(agent) {
    const input = el("input", { type: "radio", name: "agent", value: agent.key });
    const text = [el("b", { dir: "auto" }, agent.name), el("span", { dir: "auto" }, agent.description)];
    const root = el(
      "label",
      { class: "agent-card" },
      input,
      avatar(agent.name, { image: agent.avatar, size: "small" }),
      el("span", { class: "agent-text" }, ...text),
    );
    setAttribute(root, "title", agent.description || null);
    return { root, input };
  }
}
