/** The card of a sub-agent: what it does, in the same parts again. */
import { el, setText } from "chat/dom.js";
import { Fold, TOOL_STATES, avatar, stateMark } from "chat/folds.js";
import { counted, money, tokenCount } from "chat/format.js";
import { PartList } from "chat/parts.js";
import { parts } from "chat/registries.js";
import { notShown, showOf } from "chat/disclosure.js";
import { t } from "chat/words.js";

const TASK_STATES = { ...TOOL_STATES, running: ["wait", t("Working")] };

class TaskPart {
  constructor() {
    this.mark = stateMark();
    this.name = el("bdi", { class: "task-name" });
    this.figures = el("span", { class: "card-figures" });
    this.activity = el("span", { class: "card-args task-activity" });
    this.face = el("span", { class: "task-face" });
    this.fold = new Fold(
      "card task",
      this.mark.root,
      el("span", { class: "task-title" }, t("Asked"), " ", this.name),
      this.activity,
      this.figures,
    );
    this.inner = el("div", { class: "task-parts" });
    this.fold.body.append(this.face, this.inner);
    this.root = this.fold.root;
    this.parts = new PartList(this.inner);
  }

  update({ task, parts, steps, tokens, isEstimated, cost, activity }, context) {
    const name = task.name || t("sub-agent");
    const isRunning = task.status === "running";
    setText(this.name, name);
    if (this.face.dataset.name !== name) {
      this.face.dataset.name = name;
      const { avatar: image, colour } = context.agents.get(name) ?? {};
      this.face.replaceChildren(avatar(name, { image, colour, size: "small" }), el("b", { dir: "auto" }, name));
    }
    this.mark.update(task.status, TASK_STATES);
    setText(
      this.figures,
      [counted(steps, "{n} step", "{n} steps"), tokens && tokenCount(tokens, isEstimated), cost && money(cost)]
        .filter(Boolean)
        .join(" · "),
    );
    setText(this.activity, isRunning && !this.root.open ? activity : "");
    const how = showOf(context, "sub_agents");
    this.root.hidden = how === "nothing";
    if (how !== "full") return this.fold.body.replaceChildren(notShown());
    this.fold.suggest(isRunning || task.status === "error");
    this.parts.update(parts, context);
  }
}

parts.register("task", TaskPart);
