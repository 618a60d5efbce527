/** Tool calls: a card for each, and one fold around many in a row. */
import { KeyedList, button, el, icon, setText } from "chat/dom.js";
import { linked } from "chat/files.js";
import { Fold, stateMark } from "chat/folds.js";
import { counted, duration, jsonText, oneLine } from "chat/format.js";
import { shownOf } from "chat/parts.js";
import { StepBar } from "chat/stepbar.js";
import { ANY_TOOL, parts, tools } from "chat/registries.js";
import { notShown, showOf } from "chat/disclosure.js";
import { t } from "chat/words.js";

const RESULT_LINES = 20;
const GROUPED_TOOLS = 4; // so many calls in a row become one fold

class ToolsPart {
  constructor() {
    this.title = el("span", { class: "card-title" });
    this.time = el("span", { class: "card-figures" });
    this.fold = new Fold("card tools-fold", icon("tool"), this.title, this.time);
    this.loose = el("div", { class: "cards" });
    this.root = el("div", { class: "part" }, this.loose);
    this.list = new KeyedList(this.loose, ({ tool }) => new (tools.of(tool.tool_name))());
  }

  update({ tools }, context) {
    this.root.hidden = showOf(context, "tools") === "nothing";
    const isGrouped = tools.length >= GROUPED_TOOLS;
    const count = (wanted) => tools.filter(({ status }) => status === wanted).length;
    const [running, failed] = [count("running"), count("error")];
    if (isGrouped && !this.fold.root.isConnected) {
      this.root.append(this.fold.root);
      this.fold.body.append(this.loose);
    }
    const notes = [running && t("{n} running", { n: running }), failed && t("{n} failed", { n: failed })].filter(
      Boolean,
    );
    setText(this.title, [counted(tools.length, "{n} tool call", "{n} tool calls"), ...notes].join(", "));
    setText(this.time, duration(tools.reduce((sum, tool) => sum + (tool.duration_ms ?? 0), 0)));
    this.fold.suggest(running > 0);
    this.list.update(
      tools.map((tool) => ({ key: tool.id, tool })),
      context,
    );
  }
}

class ToolCard {
  constructor() {
    this.mark = stateMark();
    this.name = el("code", { class: "card-name", dir: "ltr" });
    this.args = el("span", { class: "card-args", dir: "ltr" });
    this.time = el("span", { class: "card-figures" });
    this.step = new StepBar();
    this.fold = new Fold("card tool", this.mark.root, this.name, this.args, this.time, this.step.root);
    this.root = this.fold.root;
  }

  update({ tool }, context) {
    const isRunning = tool.status === "running";
    const isAsking = isRunning && isAskedFor(tool, context.state.ask);
    if (isRunning && tool.since)
      setText(this.time, context.now - tool.since > 1000 ? `${Math.floor((context.now - tool.since) / 1000)} s` : "");
    if (tool === this.tool && isAsking === this.isAsking) return;
    this.step.update(isRunning ? tool.progress : null);
    const hasOnlyComeFurther = isRunning && this.tool?.status === "running" && isAsking === this.isAsking;
    this.tool = tool;
    this.isAsking = isAsking;
    if (hasOnlyComeFurther) return;
    this.mark.update(isAsking ? "asking" : tool.status);
    setText(this.name, tool.tool_name ?? "tool");
    const isFull = showOf(context, "tools") === "full";
    setText(this.args, isFull && !isAsking ? oneLine(tool.tool_args) : ""); // the question shows them
    if (!isRunning)
      setText(this.time, tool.duration_ms === null || tool.duration_ms === undefined ? "" : duration(tool.duration_ms));
    this.fold.suggest(tool.status === "error" || (isFull && Boolean(tool.parts?.length)));
    this.fold.body.replaceChildren(...(isFull ? toolBody(tool, context.actions) : [notShown()]));
  }
}

/** Whether the open question asks for leave for this call. */
const isAskedFor = (tool, ask) =>
  ask?.kind === "approval" &&
  ask.tool_name === tool.tool_name &&
  jsonText(ask.tool_args ?? {}) === jsonText(tool.tool_args ?? {});

/** What its card shows of a tool (`CARDS`), with arguments and result as texts below it, folded; or these alone. */
function toolBody(tool, actions) {
  if (!tool.parts?.length) return toolDetails(tool, actions);
  const failed = tool.error ? [labelled(t("Error"), longText(tool.error, "error"), actions, tool.error)] : [];
  const texts = new Fold("tool-texts", el("span", {}, t("Arguments and result")));
  texts.body.append(...toolDetails({ ...tool, error: null }, actions));
  return [...tool.parts.map(shownOf), ...failed, texts.root];
}

function toolDetails(tool, actions) {
  const args = Object.keys(tool.tool_args ?? {}).length
    ? [labelled(t("Arguments"), longText(jsonText(tool.tool_args)), actions, jsonText(tool.tool_args))]
    : [];
  if (tool.status === "running") return args.length ? args : [el("p", { class: "card-note" }, t("No arguments."))];
  const failed = tool.error ? [labelled(t("Error"), longText(tool.error, "error"), actions, tool.error)] : [];
  const result = tool.result ? [labelled(t("Result"), longText(tool.result), actions, tool.result)] : [];
  const parts = [...args, ...failed, ...result, ...wholeResult(tool), ...givenToModel(tool)];
  return parts.length ? parts : [el("p", { class: "card-note" }, t("No arguments and no result."))];
}

const result = (words, url) => linked(el("a", {}, words), url, "result.txt");

/** Where all of a result is that is shown cut. */
function wholeResult({ truncated, whole_chars: chars, url }) {
  if (!truncated) return [];
  if (!chars) return url ? [el("p", { class: "card-note" }, result(t("Open the whole result"), url))] : [];
  const size = counted(chars, "{n} character", "{n} characters");
  if (!url)
    return [el("p", { class: "card-note" }, t("This is the beginning. The rest of {size} was not kept.", { size }))];
  return [
    el("p", { class: "card-note" }, result(t("Download the whole result ({size})", { size }), `${url}?download=1`)),
  ];
}

/** How much of a long result the model has seen. */
function givenToModel({ model_chars: chars }) {
  if (chars === undefined || chars === null) return [];
  return [
    el(
      "p",
      { class: "card-note" },
      t("The model was given the first {size}.", { size: counted(chars, "{n} character", "{n} characters") }),
    ),
  ];
}

function labelled(label, content, actions, text) {
  const copy = button(
    {
      class: "code-button",
      "aria-label": t("Copy: {what}", { what: label }),
      onclick: ({ currentTarget }) => actions.copy(text, currentTarget),
    },
    "copy",
    t("Copy"),
  );
  return el("div", { class: "detail" }, el("div", { class: "detail-head" }, el("span", {}, label), copy), content);
}

/** Text that may be long: the first lines, and a button for the rest. */
function longText(text, look = "") {
  const lines = text.split("\n");
  const pre = el("pre", { class: `plain ${look}`, dir: "ltr", tabindex: "0" });
  pre.textContent = lines.slice(0, RESULT_LINES).join("\n");
  if (lines.length <= RESULT_LINES) return pre;
  const showAll = ({ currentTarget }) => {
    pre.textContent = text;
    pre.focus();
    currentTarget.remove();
  };
  return el(
    "div",
    {},
    pre,
    button(
      { class: "quiet", onclick: showAll },
      "",
      t("Show all {size}", { size: counted(lines.length, "{n} line", "{n} lines") }),
    ),
  );
}

parts.register("tools", ToolsPart);
tools.register(ANY_TOOL, ToolCard);
