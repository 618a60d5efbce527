/** No regular expression of the page takes much more than twice as long for twice the text: people and models write it.
 *
 * All literals are found in the modules; each is run over repetitions of what is in it. What is counted is this
 * process's time, and growth, not seconds: a busy machine makes no difference.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const STATIC = new URL("../../chat/static/", import.meta.url);
const SIZES = [4, 8, 12, 16, 20, 24, 28, 32, 256, 1024, 8192]; // the small ones find exponential growth before it bites
const MS = 5; // less than this is no growth that can be measured

// What a token of the language is, up to a regular expression: those after a value divide.
const SKIPPED = /\s+|\/\/[^\n]*|\/\*[^]*?\*\//y;
const TEXT = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;
const LITERAL = /\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*)\/([a-z]*)/y;
const WORD = /[\p{L}\p{N}_$#]+/uy;
const BEFORE_VALUE = new Set([
  "return",
  "typeof",
  "case",
  "in",
  "of",
  "await",
  "yield",
  "else",
  "new",
  "void",
  "delete",
]);

/** The literals of a module. Those within `${…}` of a template are found as well. */
function literalsIn(code) {
  const found = [];
  const templates = []; // of open ones the depth of braces
  let at = 0;
  let depth = 0;
  let isAfterValue = false;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const match = pattern.exec(code);
    if (match) at = pattern.lastIndex;
    return match;
  };
  const skipTemplate = () => {
    while (at < code.length && code[at] !== "`" && !code.startsWith("${", at)) at += code[at] === "\\" ? 2 : 1;
    if (code[at] === "`") return (isAfterValue = Boolean(++at));
    templates.push(depth);
    at += 2;
    return (isAfterValue = false);
  };
  while (at < code.length) {
    if (take(SKIPPED)) continue;
    let match;
    if (take(TEXT)) isAfterValue = true;
    else if (!isAfterValue && code[at] === "/" && (match = take(LITERAL))) {
      found.push(new RegExp(match[1], match[2]));
      isAfterValue = true;
    } else if ((match = take(WORD))) isAfterValue = !BEFORE_VALUE.has(match[0]);
    else if (code[at] === "`") (at++, skipTemplate());
    else if (code[at] === "}" && templates.at(-1) === depth) (at++, templates.pop(), skipTemplate());
    else {
      depth += { "{": 1, "}": -1 }[code[at]] ?? 0;
      isAfterValue = ")]}".includes(code[at]);
      at++;
    }
  }
  return found;
}

const modules = readdirSync(STATIC, { recursive: true }).filter((name) => name.endsWith(".js"));
const codeOf = (name) => readFileSync(new URL(name, STATIC), "utf8");

/** Characters that mean something to a pattern, and some that mean nothing. */
function unitsOf(pattern) {
  const said = pattern.source.replace(/\\[pP]\{[^}]*\}|\\[a-zA-Z]/g, "");
  const known = [...new Set(["a", " ", "\n", "7", "é", "א", ...said.replaceAll("\\", "")])].slice(0, 16);
  return [...known, ...known.flatMap((one) => known.map((other) => one + other)), known.join("")];
}

function* textsOf(pattern) {
  for (const unit of unitsOf(pattern))
    for (const before of ["", unit[0] + "a"])
      for (const after of ["", "\u0001"]) yield (size) => before + unit.repeat(size / unit.length) + after;
}

function milliseconds(run) {
  const began = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

const least = (run) => Math.min(...[1, 2, 3, 4].map(() => milliseconds(run)));

/** Say how a pattern's time grows too fast; "" if it does not. */
function growthOf(pattern) {
  const every = new RegExp(pattern.source, [...new Set([...pattern.flags, "g"])].join(""));
  for (const textOf of textsOf(pattern))
    for (const [place, size] of SIZES.entries()) {
      const run = (length) => () => textOf(length).replace(every, "");
      if (milliseconds(run(size)) < MS || least(run(size)) < MS) continue;
      const smaller = SIZES[place - 1] ?? 2;
      const share = least(run(size)) / Math.max(least(run(smaller)), 0.01);
      if (share > 2.5 ** Math.log2(size / smaller))
        return `${JSON.stringify(textOf(size).slice(0, 20))}: ${share.toFixed(1)} times for ${size / smaller} times the text`;
    }
  return "";
}

for (const name of modules)
  for (const pattern of literalsIn(codeOf(name)))
    test(`${name}: ${pattern} takes time in proportion to the text`, () => assert.equal(growthOf(pattern), ""));

test("every regular expression of the page is a literal", () => {
  for (const name of modules) assert.doesNotMatch(codeOf(name), /\bRegExp\b/, name);
});

test("literals are found wherever they stand, and nothing that divides", () => {
  const code = 'a = b / c / d; x = `t ${s.replace(/[/]\\//g, "/no/")} /no/`; // /no/\n return /yes/.test(y) && (/z/i)';
  assert.deepEqual(literalsIn(code).map(String), ["/[/]\\//g", "/yes/", "/z/i"]);
  assert.ok(modules.flatMap((name) => literalsIn(codeOf(name))).length > 10);
});

test("a pattern that backtracks is found", () => {
  for (const pattern of [/<[^>]*>/g, /^(a+)+b/]) assert.notEqual(growthOf(pattern), "", String(pattern));
});
