/** What agents do, as elements: text with its reasoning, tool calls, sub-agents. The same at every depth. */
import { KeyedList, button, el, icon, setAttribute, setIcon, setText } from "chat/dom.js";
import { counted, duration, figure, hue, initials, money, oneLine } from "chat/format.js";
import { Blocks } from "chat/html.js";

const RESULT_LINES = 20;
const GROUPED_TOOLS = 4; // so many calls in a row become one fold

/** A rounded square with initials, or the agent's image. */
export function avatar(name, { image = "", size = "" } = {}) {
  if (image) return el("img", { class: `avatar ${size}`, src: image, alt: "" });
  return el("span", { class: `avatar ${size} hue-${hue(name)}`, "aria-hidden": "true" }, initials(name));
}

/** A fold that the page opens and closes until the user has done it once. */
class Fold {
  constructor(name, ...summary) {
    this.summary = el("summary", {}, icon("right"), ...summary);
    this.body = el("div", { class: "fold-body" });
    this.root = el("details", { class: `fold ${name}` }, this.summary, this.body);
    this.summary.addEventListener("click", () => (this.touched = true));
  }

  /** @param {boolean} isOpen  unless the user chose otherwise */
  suggest(isOpen) {
    if (!this.touched && this.root.open !== isOpen) this.root.open = isOpen;
  }
}

/** The parts of a reply or of a sub-agent, in order. */
export class PartList extends KeyedList {
  constructor(parent) {
    super(parent, ({ kind }) => new PARTS[kind]());
  }

  update(parts, context) {
    // The kind is in the key: an entry that turns into another kind gets another component.
    super.update(parts.map((part) => ({ ...part, key: `${part.kind}:${part.key}` })), context);
  }
}

const ENDINGS = {
  stopped: ["stop", "Stopped"],
  interrupted: ["alert", "Interrupted: the server ended while this was written"],
  length: ["alert", "Cut off: the model reached its length limit"],
  cut: ["alert", "Cut off: the connection to the model broke"],
};

class TextPart {
  constructor() {
    this.prose = el("div", { class: "prose", dir: "auto" });
    this.isPlain = false;
    this.blocks = new Blocks(this.prose);
    this.root = el("div", { class: "part text" }, this.prose);
  }

  update({ message }, context) {
    if (message === this.message) return;
    this.message = message;
    this.#reasoning(message);
    this.#text(message);
    setAttribute(this.root, "data-writing", message.writing);
    this.#ending(message, context);
  }

  #text({ blocks, content, truncated }) {
    const isPlain = !blocks.length && Boolean(content);
    if (isPlain !== this.isPlain) this.prose.textContent = "";
    this.isPlain = isPlain;
    setAttribute(this.prose, "data-plain", isPlain);
    this.prose.hidden = !blocks.length && !content;
    if (isPlain) setText(this.prose, content);
    else this.blocks.update(blocks);
    if (truncated && this.message.url) this.#whole(this.message.url);
  }

  #whole(url) {
    this.link ??= this.root.appendChild(el("p", { class: "ending" }, el("a", { href: url }, "This answer is too long for the page. Open all of its text")));
  }

  #reasoning({ reasoning, writing, content, blocks, thinkingMs }) {
    if (!reasoning) return;
    if (!this.thought) {
      this.thoughtTitle = el("span");
      this.thought = new Fold("thought", icon("thought"), this.thoughtTitle);
      this.thoughtText = this.thought.body.appendChild(el("div", { class: "thought-text", dir: "auto", tabindex: "0" }));
      this.root.prepend(this.thought.root);
    }
    const isThinking = writing && !content && !blocks.length;
    setText(this.thoughtTitle, isThinking ? "Thinking…" : thinkingMs ? `Thought for ${duration(thinkingMs)}` : "Reasoning");
    setAttribute(this.thought.root, "data-live", isThinking);
    setText(this.thoughtText, reasoning);
  }

  #ending({ status, finish_reason, error, writing, sources }, context) {
    this.foot?.remove();
    const key = status === "complete" ? finish_reason : status;
    const ending = !writing && !error && ENDINGS[key];
    const mark = ending && el("p", { class: "ending" }, icon(ending[0]), ending[1]);
    const failure = !writing && error && failureCard(error, this.message, context.actions);
    const origin = !writing && sources?.length && sourceList(sources);
    if (!mark && !failure && !origin) return;
    this.foot = el("div", { class: "text-foot" }, origin || null, mark || null, failure || null);
    this.root.append(this.foot);
  }
}

/** An error in the answer's place: what happened, and what can be done. */
function failureCard(error, { turn }, actions) {
  const codes = [error.code, error.incident && `incident ${error.incident}`].filter(Boolean).join(" · ");
  return el("div", { class: "failure" },
    icon("alert"),
    el("div", { class: "failure-body" },
      el("p", { dir: "auto" }, error.details || "Something went wrong on the server."),
      el("p", { class: "failure-code" }, el("bdi", {}, codes)),
      el("div", { class: "row" },
        turn && button({ class: "quiet", onclick: () => actions.regenerate(turn) }, "again", "Retry"),
        button({ class: "quiet", onclick: ({ currentTarget }) => actions.copy(`${error.details}\n${codes}`, currentTarget) }, "copy", "Copy details"))));
}

function sourceList(sources) {
  const entry = ({ title, url, name }, at) => {
    const text = title || name || url || `Source ${at + 1}`;
    const isLink = typeof url === "string" && /^https?:\/\//i.test(url);
    const label = [el("b", {}, String(at + 1)), el("bdi", {}, text)];
    return el("li", {}, isLink ? el("a", { class: "source", href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, ...label) : el("span", { class: "source" }, ...label));
  };
  return el("ol", { class: "sources", "aria-label": "Sources" }, ...sources.map(entry));
}

const TOOL_STATES = {
  running: ["wait", "Running"],
  complete: ["check", "Done"],
  error: ["alert", "Failed"],
  stopped: ["stop", "Stopped"],
  rejected: ["close", "Rejected"],
  interrupted: ["alert", "Interrupted"],
};

function stateMark() {
  const text = el("span");
  const root = el("span", { class: "mark" }, icon("wait"), text);
  return {
    root,
    update(state, states = TOOL_STATES) {
      const [symbol, label] = states[state] ?? states.complete;
      setAttribute(root, "data-state", state);
      setIcon(root, symbol);
      setText(text, label);
    },
  };
}

class ToolsPart {
  constructor() {
    this.title = el("span", { class: "card-title" });
    this.time = el("span", { class: "card-figures" });
    this.fold = new Fold("card tools-fold", icon("tool"), this.title, this.time);
    this.loose = el("div", { class: "cards" });
    this.root = el("div", { class: "part" }, this.loose);
    this.list = new KeyedList(this.loose, () => new ToolCard());
  }

  update({ tools }, context) {
    const isGrouped = tools.length >= GROUPED_TOOLS;
    const count = (wanted) => tools.filter(({ status }) => status === wanted).length;
    const [running, failed] = [count("running"), count("error")];
    if (isGrouped && !this.fold.root.isConnected) {
      this.root.append(this.fold.root);
      this.fold.body.append(this.loose);
    }
    const notes = [running && `${running} running`, failed && `${failed} failed`].filter(Boolean);
    setText(this.title, [counted(tools.length, "tool call"), ...notes].join(", "));
    setText(this.time, duration(tools.reduce((sum, tool) => sum + (tool.duration_ms ?? 0), 0)));
    this.fold.suggest(running > 0);
    this.list.update(tools.map((tool) => ({ key: tool.id, tool })), context);
  }
}

class ToolCard {
  constructor() {
    this.mark = stateMark();
    this.name = el("code", { class: "card-name", dir: "ltr" });
    this.args = el("span", { class: "card-args", dir: "ltr" });
    this.time = el("span", { class: "card-figures" });
    this.fold = new Fold("card tool", this.mark.root, this.name, this.args, this.time);
    this.root = this.fold.root;
  }

  update({ tool }, context) {
    const isRunning = tool.status === "running";
    if (isRunning && tool.since) setText(this.time, context.now - tool.since > 1000 ? `${Math.floor((context.now - tool.since) / 1000)} s` : "");
    if (tool === this.tool) return;
    this.tool = tool;
    this.mark.update(tool.status);
    setText(this.name, tool.tool_name ?? "tool");
    setText(this.args, oneLine(tool.tool_args));
    if (!isRunning) setText(this.time, tool.duration_ms === null || tool.duration_ms === undefined ? "" : duration(tool.duration_ms));
    this.fold.suggest(tool.status === "error");
    this.fold.body.replaceChildren(...toolDetails(tool, context.actions));
  }
}

function toolDetails(tool, actions) {
  const args = Object.keys(tool.tool_args ?? {}).length ? [labelled("Arguments", longText(JSON.stringify(tool.tool_args, null, 2)), actions, JSON.stringify(tool.tool_args, null, 2))] : [];
  if (tool.status === "running") return args.length ? args : [el("p", { class: "card-note" }, "No arguments.")];
  const failed = tool.error ? [labelled("Error", longText(tool.error, "error"), actions, tool.error)] : [];
  const result = tool.result ? [labelled("Result", longText(tool.result), actions, tool.result)] : [];
  const whole = tool.truncated && tool.url ? [el("p", { class: "card-note" }, el("a", { href: tool.url }, "Open the whole result"))] : [];
  const parts = [...args, ...failed, ...result, ...whole];
  return parts.length ? parts : [el("p", { class: "card-note" }, "No arguments and no result.")];
}

function labelled(label, content, actions, text) {
  const copy = button({ class: "code-button", "aria-label": `Copy ${label.toLowerCase()}`, onclick: ({ currentTarget }) => actions.copy(text, currentTarget) }, "copy", "Copy");
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
  return el("div", {}, pre, button({ class: "quiet", onclick: showAll }, "", `Show all ${counted(lines.length, "line")}`));
}

const TASK_STATES = { ...TOOL_STATES, running: ["wait", "Working"] };

class TaskPart {
  constructor() {
    this.mark = stateMark();
    this.name = el("bdi", { class: "task-name" });
    this.figures = el("span", { class: "card-figures" });
    this.activity = el("span", { class: "card-args task-activity" });
    this.face = el("span", { class: "task-face" });
    this.fold = new Fold("card task", this.mark.root, el("span", { class: "task-title" }, "Asked ", this.name), this.activity, this.figures);
    this.inner = el("div", { class: "task-parts" });
    this.fold.body.append(this.face, this.inner);
    this.root = this.fold.root;
    this.parts = new PartList(this.inner);
  }

  update({ task, parts, steps, tokens, cost, activity }, context) {
    const name = task.name || "sub-agent";
    const isRunning = task.status === "running";
    setText(this.name, name);
    if (this.face.dataset.name !== name) {
      this.face.dataset.name = name;
      this.face.replaceChildren(avatar(name, { size: "small" }), el("b", { dir: "auto" }, name));
    }
    this.mark.update(task.status, TASK_STATES);
    setText(this.figures, [counted(steps, "step"), tokens && `${figure(tokens)} tokens`, cost && money(cost)].filter(Boolean).join(" · "));
    setText(this.activity, isRunning && !this.root.open ? activity : "");
    this.fold.suggest(isRunning || task.status === "error");
    this.parts.update(parts, context);
  }
}

const PARTS = { text: TextPart, tools: ToolsPart, task: TaskPart };
