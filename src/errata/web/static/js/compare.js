/** Compare: what the model says without the corrections and with them, side by side. */

import { $, fill, h, percent, toast } from "./dom.js";
import { entries } from "./ledger.js";
import { job, mine, work } from "./store.js";
import { t } from "./words.js";

export function startCompare() {
  const prompts = $("compare-prompts");
  $("compare-form").onsubmit = (event) => {
    event.preventDefault();
    const rows = prompts.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (rows.length > 20) toast(t("compare.many"));
    else if (rows.length) work("compare", "compare", { prompts: rows });
  };
  $("compare-facts").onclick = () => {
    const facts = entries().flatMap((one) => one.facts).map((fact) => fact.prompt.replace("{}", fact.subject));
    prompts.value = [...new Set(facts)].slice(0, 20).join("\n");
    prompts.focus();
  };
  return (what) => {
    if (what === "state" && job("compare") && !prompts.value) prompts.value = job("compare").request.prompts.join("\n");
    if (what === "state" || mine(what, "compare")) draw();
  };
}

function draw() {
  const found = job("compare");
  const place = $("comparison");
  if (!found) return fill(place);
  if (found.state === "queued" || found.state === "running") return fill(place, h("p.card.dim", { role: "status" }, t("compare.busy")));
  if (found.state !== "done") return fill(place, h("p.card.bad", {}, found.error ?? t("cancelled")));
  return fill(place, found.result.rows.map((row) => h("article.card.sides", { class: row.before.text === row.after.text ? "card sides same" : "card sides differs" },
    side(row.prompt, row.before, t("compare.before")), side(row.prompt, row.after, t("compare.after")))));
}

function side(prompt, one, title) {
  return h("div.written", {}, h("h2.side", {}, title), h("p.said", {}, h("span.dim", {}, prompt), h("strong", {}, one.text || ` ${t("nothing")}`)),
    h("table.odds", {}, h("tbody", {}, one.next_tokens.slice(0, 3).map((row) => h("tr", {},
      h("th", { scope: "row" }, row.token.trim() || "␣"), h("td.num", {}, percent(row.probability)),
      h("td.wide", {}, h("span.meter", { style: { "--share": row.probability } })))))));
}
