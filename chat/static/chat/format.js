/** Times, durations and figures as people read them, in the page's language. Pure. */
import { t, tn } from "chat/words.js";

/** The page's, as the reader's region writes it: "en" may be "en-GB". */
const language = () => {
  const { lang } = document.documentElement;
  return navigator.languages.find((each) => lang && each.split("-")[0] === lang.split("-")[0]) ?? (lang || undefined);
};
const formats = new Map();

/** Making a format is slow, using one is not. */
function dateFormat(options) {
  const key = JSON.stringify(options);
  return formats.get(key) ?? formats.set(key, new Intl.DateTimeFormat(language(), options)).get(key);
}

const DAY_MS = 86_400_000;

/** "10:02", or with the date where it is not today. @param {string} iso */
export function clockTime(iso, now = new Date()) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  const isToday = date.toDateString() === now.toDateString();
  const options = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return dateFormat(options).format(date);
}

function numberFormat(options) {
  const key = JSON.stringify(options);
  return formats.get(key) ?? formats.set(key, new Intl.NumberFormat(language(), options)).get(key);
}

/** "12 ms", "0.4 s", "5.2 s", "42 s", "3 min 5 s" @param {number} ms */
export function duration(ms) {
  if (ms < 100) return t("{n} ms", { n: Math.round(ms) });
  if (ms < 9_950)
    return t("{n} s", { n: numberFormat({ minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(ms / 1000) });
  const seconds = Math.round(ms / 1000);
  return seconds < 60
    ? t("{n} s", { n: seconds })
    : t("{m} min {n} s", { m: Math.floor(seconds / 60), n: seconds % 60 });
}

/** "1,204" below ten thousand, then "12K" */
export function figure(number) {
  const options = number < 10_000 ? {} : { notation: "compact", maximumFractionDigits: 1 };
  return numberFormat(options).format(number);
}

/** "512 B", "12 kB", "3.4 MB" @param {number} count */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const [value, unit] = count < 999_500 ? [count / 1000, "kB"] : [count / 1e6, "MB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** "1,204 tokens", "about 1,200 tokens" where nobody has counted them */
export function tokenCount(tokens, isEstimated) {
  if (!isEstimated) return counted(tokens, "{n} token", "{n} tokens");
  return t("about {n} tokens", { n: figure(Number(tokens.toPrecision(2))) });
}

/** "$0.004", nothing for what rounds to nothing @param {number} dollars */
export function money(dollars) {
  if (dollars < 0.00005) return "";
  const digits = dollars < 0.1 ? 4 : 2;
  return numberFormat({ style: "currency", currency: "USD", maximumFractionDigits: digits }).format(dollars);
}

/** `counted(6, "{n} step", "{n} steps")`: "6 steps" */
export const counted = (count, one, many) => tn(count, one, many, { n: figure(count) });

/** Heading of the group of the list of conversations that a time belongs to. @param {string} iso */
export function dateGroup(iso, now = new Date()) {
  const date = new Date(iso);
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  if (date.getTime() >= midnight) return t("Today");
  if (date.getTime() >= midnight - DAY_MS) return t("Yesterday");
  if (date.getTime() >= midnight - 7 * DAY_MS) return t("Last 7 days");
  if (date.getTime() >= midnight - 30 * DAY_MS) return t("Last 30 days");
  return dateFormat({ month: "long", year: "numeric" }).format(date);
}

/** Two letters for an avatar. @param {string} name */
export function initials(name) {
  const words = name
    .trim()
    .split(/[\s_-]+/)
    .filter(Boolean);
  const letters = words.length > 1 ? words[0][0] + words[1][0] : (words[0] ?? "?").slice(0, 2);
  return letters.toUpperCase();
}

/** One of six colours, always the same for a name. @param {string} name */
export function hue(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % 6;
}

// What is not seen: it turns the text around it, hides in it, or parts words. As in chat/wire/values.py.
const UNSEEN =
  /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]|(?<![\u0600-\u1cff\u2190-\u2bff\ufe0f\u{1f000}-\u{1faff}])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u1cff\u2190-\u2bff\u{1f000}-\u{1faff}])/gu;

/** Text in which what is not seen is shown: `‹U+202E›`. */
export function visible(text) {
  return text.replace(UNSEEN, (found) => `‹U+${found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);
}

/** The same to be edited: `edited` makes of it what it was. A text that has such escapes itself keeps them. */
export const editable = (text) => visible(text.replace(/‹(?=U\+[0-9A-F]{4,6}›)/g, "‹U+2039›"));

/** What was meant by a text that `editable` has made, and that may have been changed since. */
export const edited = (text) =>
  text.replace(/‹U\+((?:10|[0-9A-F])?[0-9A-F]{4})›/g, (_, code) => String.fromCodePoint(parseInt(code, 16)));

/** @returns {URL|null} the address of a page of the web that may be a link; null for all else */
export function webAddress(text) {
  const url = typeof text === "string" ? URL.parse(text) : null;
  return url && ["http:", "https:"].includes(url.protocol) ? url : null;
}

/** JSON to read, in which what is not seen is escaped, as JSON does it. */
export function jsonText(value, indent = 2) {
  const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(UNSEEN, (found) => found.split("").map(escape).join(""));
}

/** JSON in one line, cut. */
export function oneLine(value, length = 120) {
  const entries = Object.entries(value ?? {});
  const text = entries
    .map(([name, item]) => `${name}: ${typeof item === "string" ? item : JSON.stringify(item)}`)
    .join(", ");
  return visible(text).replace(/\s+/g, " ").slice(0, length); // U+FEFF is a space to JavaScript
}

const OWN_PROMPT = /^May (.+) run this tool\?$/;

/** What is asked, in the page's language where it is the chat's own sentence. @param {object} request  an `input_request` */
export function promptOf({ prompt = "" }) {
  const name = OWN_PROMPT.exec(prompt)?.[1];
  return name ? t("May {name} run this tool?", { name }) : prompt;
}
