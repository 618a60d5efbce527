/**
 * The page's words in its language. The English text is the key; the others come with the page, as gettext has them
 * (`chat/words.py`, `chat/locale/`).
 */
const LONGEST_ORDER = ["zero", "one", "two", "few", "many", "other"]; // of plural forms, in gettext as in CLDR

const given = globalThis.document?.getElementById("words");
/** @type {Record<string, string|string[]>} */
const words = given ? JSON.parse(given.textContent) : {};
const rules = new Intl.PluralRules(globalThis.document?.documentElement.lang || "en");
const categories = LONGEST_ORDER.filter((name) => rules.resolvedOptions().pluralCategories.includes(name));

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/**
 * @param {string} text  in English, with `{names}` of values
 * @param {Record<string, string|number>} [values]
 */
export function t(text, values = {}) {
  const found = Object.hasOwn(words, text) ? words[text] : text;
  return fill(typeof found === "string" ? found : found[0], values);
}

/**
 * The form for this number of things: `tn(2, "{n} step", "{n} steps")`.
 * @param {number} count
 * @param {string} one  in English, with `{n}`
 * @param {string} many  in English
 * @param {Record<string, string|number>} [values]
 */
export function tn(count, one, many, values = {}) {
  const forms = Object.hasOwn(words, one) ? words[one] : null;
  if (!Array.isArray(forms)) return fill(count === 1 ? one : many, { n: count, ...values });
  const at = categories.indexOf(rules.select(count));
  return fill(forms[Math.min(at, forms.length - 1)], { n: count, ...values });
}
