/** The drawer with what happened in a turn: a waterfall of its steps, each of which opens. Live while the turn runs. */
import { KeyedList, el, icon, iconButton, setAttribute, setText } from "chat/dom.js";
import { TOOL_STATES, stateMark } from "chat/folds.js";
import { duration, jsonText, money, promptOf, tokenCount, visible } from "chat/format.js";
import { dialogs } from "chat/registries.js";
import { shownLog } from "chat/state.js";
import { KINDS, traceOf } from "chat/trace.js";
import { t, tn } from "chat/words.js";

const ICONS = { model: "chat", tool: "tool", task: "user", question: "question" };
const STATES = { ...TOOL_STATES, asking: ["question", t("Waits for your answer")] };

class TracePanel {
  /** @param {object} page  the parts of the page, by name (main.js) */
  constructor({ view, store }) {
    this.store = store;
    view.trace = this;
    this.total = el("p", { class: "trace-total" });
    this.list = el("ol", { class: "trace-rows" });
    this.rows = new KeyedList(this.list, () => new RowView());
    this.root = el(
      "dialog",
      { class: "trace", "aria-labelledby": "trace-title" },
      el(
        "div",
        { class: "trace-head" },
        el("h2", { id: "trace-title" }, t("What happened")),
        iconButton(t("Close"), "close", { onclick: () => this.root.close() }),
      ),
      this.total,
      this.list,
    );
    this.root.addEventListener("click", ({ target }) => target === this.root && this.root.close());
    document.getElementById("app").append(this.root);
  }

  /** @param {string} turn  its id */
  open(turn) {
    this.turn = turn;
    this.root.showModal();
    this.update(this.store.state, this.store.now());
  }

  update(state, now) {
    if (!this.root.open) return;
    const ask = state.status.turn === this.turn ? state.ask : null;
    const { rows, start, end } = traceOf(shownLog(state), this.turn, ask, now);
    const span = end - start;
    this.rows.update(
      rows.map((row) => ({
        ...row,
        from: (row.start - start) / span,
        to: (row.end - start) / span,
        after: row.start - start,
      })),
    );
    const outer = rows.filter(
      ({ kind, depth }) => kind === "model" || (kind === "task" && depth === 0 && rows.length === 1),
    );
    const tokens = outer.reduce((sum, row) => sum + row.tokens, 0);
    const cost = outer.reduce((sum, row) => sum + row.cost, 0);
    const isEstimated = outer.some((row) => row.isEstimated);
    setText(this.total, figuresOf({ ms: span, tokens, cost, isEstimated, steps: rows.length }));
  }
}

function figuresOf({ ms, tokens, cost, isEstimated, steps }) {
  const count = steps && tn(steps, "{n} step", "{n} steps");
  return [count, duration(ms), tokens && tokenCount(tokens, isEstimated), cost && money(cost)]
    .filter(Boolean)
    .join(" · ");
}

class RowView {
  constructor() {
    this.mark = stateMark();
    this.name = el("bdi", { class: "trace-name" });
    this.kind = el("span", { class: "hidden" });
    this.symbol = el("span", { class: "trace-icon" });
    this.bar = el("span", { class: "trace-bar" });
    this.figures = el("bdi", { class: "trace-figures" });
    this.body = el("div", { class: "trace-body" });
    this.fold = el(
      "details",
      { class: "trace-row" },
      el(
        "summary",
        {},
        icon("right"),
        this.symbol,
        el("span", { class: "trace-title" }, this.kind, this.name),
        this.mark.root,
        el("span", { class: "trace-track", "aria-hidden": "true" }, this.bar),
        this.figures,
      ),
      this.body,
    );
    this.fold.addEventListener("toggle", () => this.#details());
    this.root = el("li", {}, this.fold);
  }

  update(row) {
    if (!this.row) this.symbol.append(icon(ICONS[row.kind]));
    this.row = row;
    setText(this.kind, `${KINDS[row.kind]}: `);
    setText(this.name, visible(row.name));
    setAttribute(this.fold, "data-kind", row.kind);
    this.mark.root.hidden = row.status === "complete";
    this.mark.update(row.status, STATES);
    this.root.style.setProperty("--depth", String(Math.min(row.depth, 4)));
    this.bar.style.insetInlineStart = `${100 * row.from}%`;
    this.bar.style.inlineSize = `${100 * Math.max(0, row.to - row.from)}%`;
    const { tokens, cost, isEstimated, start, end } = row;
    setText(this.figures, figuresOf({ ms: end - start, tokens, cost, isEstimated }));
    this.#details();
  }

  /** Made when they are looked at, and again when something in them has changed. */
  #details() {
    if (!this.fold.open || this.shown === this.row.entry) return;
    this.shown = this.row.entry;
    const parts = detailsOf(this.row).filter(([, text]) => text);
    this.body.replaceChildren(...parts.map(([label, text]) => detail(label, text)));
  }
}

const json = (value) => (value && Object.keys(value).length ? jsonText(value) : "");

/** @returns {[label: string, text: string][]} */
function detailsOf({ kind, entry, after }) {
  const begun = [t("Began after"), duration(after)];
  const error = [t("Error"), typeof entry.error === "string" ? entry.error : (entry.error?.details ?? "")];
  const usage = [t("Usage"), json(entry.usage)];
  if (kind === "tool")
    return [begun, [t("Arguments"), json(entry.tool_args)], [t("Result"), entry.result ?? ""], error];
  if (kind === "task") return [begun, usage];
  if (kind === "question")
    return [
      begun,
      [t("Question"), promptOf(entry)],
      [t("Answer"), entry.content ?? ""],
      [t("Details"), json(entry.answer)],
    ];
  if (entry.isSilent)
    return [begun, [t("Called"), t("It said nothing and called a tool. Its tokens count with the next answer.")]];
  const calls = [t("Called"), entry.tool_calls?.length ? tn(entry.tool_calls.length, "{n} tool", "{n} tools") : ""];
  return [begun, [t("Reasoning"), entry.reasoning], [t("Text"), entry.content], calls, usage, error];
}

function detail(label, text) {
  const isShort = [t("Began after"), t("Called")].includes(label);
  const value = isShort
    ? el("span", {}, text)
    : el("pre", { class: "plain", dir: "auto", tabindex: "0" }, visible(text.slice(0, 20_000)));
  return el("div", { class: "trace-detail" }, el("h3", {}, label), value);
}

dialogs.register("trace", TracePanel);
