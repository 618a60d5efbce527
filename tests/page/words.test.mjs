/** The page's words: values in their places, plural forms as gettext has them. */
import assert from "node:assert/strict";
import { test } from "node:test";

/** `words.js` as a page of this language has it. */
async function words(lang, given) {
  const element = { textContent: JSON.stringify(given) };
  globalThis.document = { documentElement: { lang }, getElementById: (id) => (id === "words" ? element : null) };
  const module = await import(`chat/words.js?${lang}`);
  delete globalThis.document;
  return module;
}

test("English stands in the source", async () => {
  const { t, tn } = await import("chat/words.js");
  assert.equal(t("Not sent: {reason}", { reason: "no {time} left" }), "Not sent: no {time} left");
  assert.deepEqual(
    [0, 1, 2].map((n) => tn(n, "{n} step", "{n} steps")),
    ["0 steps", "1 step", "2 steps"],
  );
  assert.equal(t("toString"), "toString");
});

test("a language has its own words, and English where it has none", async () => {
  const { t, tn } = await words("de", { "{n} step": ["{n} Schritt", "{n} Schritte"], Copy: "Kopieren" });
  assert.deepEqual([t("Copy"), t("Paste")], ["Kopieren", "Paste"]);
  assert.deepEqual(
    [1, 2].map((n) => tn(n, "{n} step", "{n} steps", { n: `~${n}` })),
    ["~1 Schritt", "~2 Schritte"],
  );
});

test("languages with other plural forms", async () => {
  const polish = await words("pl", { "{n} file": ["{n} plik", "{n} pliki", "{n} plików"] });
  assert.deepEqual(
    [1, 2, 5, 22].map((n) => polish.tn(n, "{n} file", "{n} files")),
    ["1 plik", "2 pliki", "5 plików", "22 pliki"],
  );
  const japanese = await words("ja", { "{n} file": ["{n}個"] });
  assert.equal(japanese.tn(3, "{n} file", "{n} files"), "3個");
});
