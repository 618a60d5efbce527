/** A table that an agent shows: its first rows, sorted by a press on a column's name. */
import { caption } from "chat/captions.js";
import { button, el, setAttribute, setText } from "chat/dom.js";
import { counted, figure } from "chat/format.js";
import { shown } from "chat/registries.js";
import { t } from "chat/words.js";

const isNumber = (value) => typeof value === "number";
const isEmpty = (value) => value === null || value === undefined || value === "";

/** Numbers by value, texts as people order them, what is empty last, whatever the direction. */
function byValue(a, b, direction) {
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) - isEmpty(b);
  if (isNumber(a) && isNumber(b)) return (a - b) * direction;
  return String(a).localeCompare(String(b), undefined, { numeric: true }) * direction;
}

class Table {
  constructor({ columns, rows, name }) {
    this.rows = rows;
    this.body = el("tbody");
    this.heads = columns.map((column, at) => this.#head(column, at));
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...this.heads)), this.body);
    this.root = el("div", { class: "shown-table", tabindex: "0", role: "region", "aria-label": name }, table);
    this.#fill(rows);
  }

  #head(column, at) {
    const isNumeric = this.rows.some((row) => isNumber(row[at]));
    const press = button({ class: "shown-sort", dir: "auto", onclick: () => this.#sort(at) }, "", column || "–");
    return el("th", { scope: "col", "data-numeric": isNumeric }, press);
  }

  #sort(at) {
    const now = this.heads[at].getAttribute("aria-sort");
    const direction = now === "ascending" ? "descending" : now === "descending" ? null : "ascending";
    this.heads.forEach((head, other) => setAttribute(head, "aria-sort", other === at ? direction : null));
    const sign = direction === "descending" ? -1 : 1;
    this.#fill(direction ? this.rows.toSorted((a, b) => byValue(a[at], b[at], sign)) : this.rows);
  }

  #fill(rows) {
    const cell = (value) => {
      const element = el("td", { dir: "auto", "data-numeric": isNumber(value) });
      setText(element, isEmpty(value) ? "" : String(value));
      return element;
    };
    this.body.replaceChildren(...rows.map((row) => el("tr", {}, ...row.map(cell))));
  }
}

shown.register("table", (part) => {
  const { rows, total, columns, total_columns: totalColumns } = part;
  const count =
    rows.length < total
      ? t("{n} of {total} rows", { n: figure(rows.length), total: figure(total) })
      : counted(total, "{n} row", "{n} rows");
  const width =
    columns.length < totalColumns &&
    t("{n} of {total} columns", { n: figure(columns.length), total: figure(totalColumns) });
  return el("figure", { class: "shown", "data-kind": "table" }, new Table(part).root, caption(part, count, width));
});
