/**
 * A form from a JSON Schema, as pydantic writes it: texts, numbers, choices, yes or no. All else is a field for JSON.
 *
 * @typedef {object} SchemaForm
 * @property {Element} root
 * @property {() => object|null} read  the values; null where a field cannot be read: it says so, and has the focus
 */
import { el, newDomId, setAttribute, setText } from "chat/dom.js";
import { t } from "chat/words.js";

/** @param {object} schema @param {object} values  what the fields begin with @returns {SchemaForm} */
export function schemaForm(schema, values = {}) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) =>
    makeField(name, resolved(property, schema), values?.[name], required.has(name)),
  );
  return {
    root: el("div", { class: "schema" }, ...fields.map(({ root }) => root)),
    read() {
      const read = {};
      for (const field of fields) {
        const problem = field.problem();
        field.tell(problem);
        if (problem) {
          field.control.focus();
          return null;
        }
        const value = field.value();
        if (value !== undefined) read[field.name] = value;
      }
      return read;
    },
  };
}

/** Follow `$ref`, and take what an optional field is when it is there. */
function resolved(property, schema) {
  const name = property.$ref?.split("/").at(-1);
  const own = name ? { ...schema.$defs?.[name], ...property } : property;
  const kinds = own.anyOf?.filter(({ type }) => type !== "null");
  return kinds?.length === 1 ? { ...resolved(kinds[0], schema), ...own, isOptional: true } : own;
}

function makeField(name, property, given, isRequired) {
  const id = newDomId("field");
  const value = given ?? property.default;
  const make = property.enum
    ? choice
    : ({ boolean: yesOrNo, integer: number, number: number, string: text }[property.type] ?? json);
  const { control, read, isInline } = make(property, value, id);
  const problem = el("p", { class: "ask-problem", id: `${id}-problem`, role: "alert", hidden: true });
  const label = el("label", { for: id, dir: "auto" }, property.title || name);
  const note = property.description && el("p", { class: "schema-note", dir: "auto" }, property.description);
  const isEmpty = () => control.type !== "checkbox" && control.value === "";
  const mayLack = () => !isRequired || property.isOptional;
  setAttribute(control, "required", isRequired && !property.isOptional && control.type !== "checkbox");
  setAttribute(control, "aria-describedby", problem.id);
  return {
    name,
    control,
    root: el("div", { class: isInline ? "schema-field inline" : "schema-field" }, label, control, note, problem),
    problem() {
      if (isEmpty()) return mayLack() ? "" : t("This is needed.");
      if (!control.validity.valid) return control.validationMessage;
      return read() === undefined ? t("This is not JSON.") : "";
    },
    value: () => (isEmpty() && mayLack() && property.type !== "string" ? undefined : read()),
    tell(sentence) {
      setText(problem, sentence);
      problem.hidden = !sentence;
      setAttribute(control, "aria-invalid", sentence ? "true" : null);
    },
  };
}

function choice({ enum: options }, value, id) {
  const control = el(
    "select",
    { id },
    ...options.map((option, at) => el("option", { value: at, selected: option === value }, String(option))),
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

function text({ maxLength, minLength }, value, id) {
  const isLong = (maxLength ?? 0) > 200 || String(value ?? "").includes("\n") || String(value ?? "").length > 60;
  const control = el(isLong ? "textarea" : "input", { id, dir: "auto", maxlength: maxLength, minlength: minLength });
  control.value = value ?? "";
  return { control, read: () => control.value };
}

function json(property, value, id) {
  const control = el("textarea", { id, class: "ask-editor", dir: "ltr", rows: "4", spellcheck: "false" });
  control.value = value === undefined ? "" : JSON.stringify(value, null, 2);
  const read = () => {
    try {
      return JSON.parse(control.value);
    } catch {
      return undefined;
    }
  };
  return { control, read };
}
