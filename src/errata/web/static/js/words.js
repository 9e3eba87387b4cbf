/** The page's words: one dictionary a language, and the choice between them. */

const LANGUAGES = { en: "English", zh: "中文" };
let chosen = localStorage.getItem("errata-language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let words = {};

/** The words of a key, with `{name}` filled in. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** What a step is called: its word where there is one, else as the server says it. */
export const stepWord = (what) => words[`step.${what}`] ?? what;

/** A moment in the reader's own time. */
export const time = (stamp) =>
  new Date(stamp).toLocaleString(chosen, { dateStyle: "medium", timeStyle: "short" });

/** Load the chosen language and put its words into the page. */
export async function speak() {
  const answer = await fetch(`/static/i18n/${chosen}.json`);
  words = await answer.json();
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : chosen;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
}

export const otherLanguage = () => LANGUAGES[chosen === "en" ? "zh" : "en"];

export async function switchLanguage() {
  chosen = chosen === "en" ? "zh" : "en";
  localStorage.setItem("errata-language", chosen);
  await speak();
}
