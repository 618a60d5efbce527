/**
 * A form from a JSON Schema, as pydantic writes it: texts, numbers, days and times, choices, yes or no, lists of texts, and
 * groups of these. All else is a field for JSON. What is not seen stands in the fields as escapes, and is read as it was.
 *
 * @typedef {object} SchemaForm
 * @property {Element} root
 * @property {() => object|null} read  the values; null where a field cannot be read: it says so, and has the focus
 */
import { el, newDomId, setAttribute, setText } from "chat/dom.js";
import { editable, edited, jsonText, visible } from "chat/format.js";
import { t } from "chat/words.js";

const BROKEN = Symbol("a value that cannot be read");
const DEEPEST = 3; // a model may hold itself
const PICKERS = {
  date: ["date", /^\d{4}-\d\d-\d\d$/],
  time: ["time", /^\d\d:\d\d(:\d\d)?$/],
  "date-time": ["datetime-local", /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/],
};

/** @param {object} schema @param {object} values  what the fields begin with @returns {SchemaForm} */
export function schemaForm(schema, values = {}, depth = 0) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const own = resolved(property, schema);
    const isGroup = own.type === "object" && own.properties && !own.isOptional && depth < DEEPEST;
    if (isGroup) return makeGroup(name, { ...own, $defs: schema.$defs }, values?.[name], depth + 1);
    return makeField(name, own, values?.[name], required.has(name));
  });
  return {
    root: el("div", { class: "schema" }, ...fields.map(({ root }) => root)),
    read() {
      const read = {};
      for (const field of fields) {
        const value = field.read();
        if (value === BROKEN) return null;
        if (value !== undefined) read[field.name] = value;
      }
      return read;
    },
  };
}

/** Follow `$ref`, and take what an optional field is when it is there. A Decimal is a number or a text: it is a text. */
function resolved(property, schema) {
  const name = property.$ref?.split("/").at(-1);
  const own = name ? { ...schema.$defs?.[name], ...property } : property;
  const kinds = own.anyOf?.filter(({ type }) => type !== "null");
  const decimal = kinds?.length === 2 && kinds[0].type === "number" && kinds[1].type === "string" && kinds[1];
  const kind = decimal || (kinds?.length === 1 && kinds[0]);
  return kind ? { ...resolved(kind, schema), ...own, isOptional: kinds.length < own.anyOf.length } : own;
}

const noteOf = (property, ...more) => {
  const text = [property.description, ...more].filter(Boolean).join(" ");
  return text && el("p", { class: "schema-note", dir: "auto" }, visible(text));
};

/** The fields of a model within the model. */
function makeGroup(name, property, given, depth) {
  const inner = schemaForm(property, given ?? property.default, depth);
  const legend = el("legend", { dir: "auto" }, visible(property.title || name));
  const root = el("fieldset", { class: "schema-group" }, legend, noteOf(property), inner.root);
  return { name, root, read: () => inner.read() ?? BROKEN };
}

function makeField(name, property, given, isRequired) {
  const id = newDomId("field");
  const value = given ?? property.default;
  const make = makerOf(property, value);
  const { control, read, isInline, keepsEmpty, hint } = make(property, value, id);
  const problem = el("p", { class: "ask-problem", id: `${id}-problem`, role: "alert", hidden: true });
  const label = el("label", { for: id, dir: "auto" }, visible(property.title || name));
  const note = noteOf(property, hint);
  const isEmpty = () => control.type !== "checkbox" && control.value === "";
  const mayLack = () => !isRequired || property.isOptional;
  setAttribute(control, "required", isRequired && !property.isOptional && control.type !== "checkbox");
  setAttribute(control, "aria-describedby", problem.id);
  const problemOf = () => {
    if (isEmpty()) return mayLack() ? "" : t("This is needed.");
    if (!control.validity.valid) return control.validationMessage;
    return read() === undefined ? t("This is not JSON.") : "";
  };
  const valueOf = () => {
    if (!isEmpty() || !mayLack()) return read();
    return property.isOptional ? null : keepsEmpty ? read() : undefined;
  };
  return {
    name,
    root: el("div", { class: isInline ? "schema-field inline" : "schema-field" }, label, control, note, problem),
    read() {
      const sentence = problemOf();
      setText(problem, sentence);
      problem.hidden = !sentence;
      setAttribute(control, "aria-invalid", sentence ? "true" : null);
      if (!sentence) return valueOf();
      control.focus();
      return BROKEN;
    },
  };
}

function makerOf({ enum: options, type, items }, value) {
  if (options) return choice;
  const isList = type === "array" && items?.type === "string" && !items.enum && !items.format;
  if (isList && !value?.some?.((item) => String(item).includes("\n"))) return lines;
  return { boolean: yesOrNo, integer: number, number: number, string: text }[type] ?? jsonField;
}

function choice({ enum: options }, value, id) {
  const control = el(
    "select",
    { id },
    ...options.map((option, at) => el("option", { value: at, selected: option === value }, visible(String(option)))),
  );
  return { control, read: () => options[Number(control.value)] };
}

function yesOrNo(property, value, id) {
  const control = el("input", { id, type: "checkbox", checked: value === true });
  return { control, read: () => control.checked, isInline: true };
}

function number({ type, minimum, maximum }, value, id) {
  const step = type === "integer" ? 1 : "any";
  const control = el("input", { id, type: "number", step, min: minimum, max: maximum, value });
  return { control, read: () => Number(control.value) };
}

function text({ maxLength, minLength, format }, value, id) {
  const [type, shape] = PICKERS[format] ?? [];
  if (type && (!value || shape.test(value))) {
    const control = el("input", { id, type, value: value ?? "" });
    return { control, read: () => control.value };
  }
  const given = String(value ?? "");
  const isLong = (maxLength ?? 0) > 200 || given.includes("\n") || given.length > 60;
  const most = editable(given) === given ? maxLength : null; // an escape is longer than what it stands for
  const control = el(isLong ? "textarea" : "input", { id, dir: "auto", maxlength: most, minlength: minLength });
  return { control, read: readerOf(control, given, edited), keepsEmpty: !format };
}

/** Put a text into a field; what was not changed is read as it was, whatever the field has made of it. */
function readerOf(control, given, parsed, unchanged = given) {
  control.value = editable(given);
  const begun = control.value;
  return () => (control.value === begun ? unchanged : parsed(control.value));
}

/** A list of texts. */
function lines(property, value, id) {
  const control = el("textarea", { id, dir: "auto", rows: "2" });
  const items = value ?? [];
  const parsed = (text) =>
    text
      .split("\n")
      .filter((line) => line.trim())
      .map(edited);
  const read = readerOf(control, items.join("\n"), parsed, items);
  return { control, read, keepsEmpty: true, hint: t("One a line.") };
}

function jsonField(property, value, id) {
  const control = el("textarea", { id, class: "ask-editor", dir: "ltr", rows: "4", spellcheck: "false" });
  control.value = value === undefined ? "" : jsonText(value);
  const read = () => {
    try {
      return JSON.parse(control.value);
    } catch {
      return undefined;
    }
  };
  return { control, read };
}
