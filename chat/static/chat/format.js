/** Times, durations and figures as people read them, in the page's language. Pure. */

const language = () => document.documentElement.lang || undefined;
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

/** "12 ms", "0.4 s", "5.2 s", "42 s", "3 min 5 s" @param {number} ms */
export function duration(ms) {
  if (ms < 100) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** "1,204" below ten thousand, then "12K" */
export function figure(number) {
  const options = number < 10_000 ? {} : { notation: "compact", maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language(), options).format(number);
}

/** "1,204 tokens", "about 1,200 tokens" where nobody has counted them */
export function tokenCount(tokens, isEstimated) {
  if (!isEstimated) return `${figure(tokens)} tokens`;
  return `about ${figure(Number(tokens.toPrecision(2)))} tokens`;
}

/** "$0.004", nothing for what rounds to nothing @param {number} dollars */
export function money(dollars) {
  if (dollars < 0.00005) return "";
  const digits = dollars < 0.1 ? 4 : 2;
  return new Intl.NumberFormat(language(), {
    style: "currency",
    currency: "USD",
    maximumFractionDigits: digits,
  }).format(dollars);
}

/** "1 step", "6 steps" */
export const counted = (count, one, many = `${one}s`) => `${figure(count)} ${count === 1 ? one : many}`;

/** Heading of the group of the list of conversations that a time belongs to. @param {string} iso */
export function dateGroup(iso, now = new Date()) {
  const date = new Date(iso);
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  if (date.getTime() >= midnight) return "Today";
  if (date.getTime() >= midnight - DAY_MS) return "Yesterday";
  if (date.getTime() >= midnight - 7 * DAY_MS) return "Last 7 days";
  if (date.getTime() >= midnight - 30 * DAY_MS) return "Last 30 days";
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

/** JSON in one line, cut. */
export function oneLine(value, length = 120) {
  const entries = Object.entries(value ?? {});
  const text = entries
    .map(([name, item]) => `${name}: ${typeof item === "string" ? item : JSON.stringify(item)}`)
    .join(", ");
  return text.replace(/\s+/g, " ").slice(0, length);
}
