/** Light, dark, or as the system has it. */

const ORDER = ["auto", "light", "dark"];
let chosen = localStorage.getItem("errata-theme") ?? "auto";

export const theme = () => chosen;

export function applyTheme() {
  document.documentElement.dataset.theme = chosen;
}

export function nextTheme() {
  chosen = ORDER[(ORDER.indexOf(chosen) + 1) % ORDER.length];
  localStorage.setItem("errata-theme", chosen);
  applyTheme();
}
