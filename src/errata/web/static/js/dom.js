/** Elements from their name, attributes and children; nothing is ever parsed as HTML. */

export const $ = (id) => document.getElementById(id);

/** `h("button.primary", { onclick }, "Ask")`: an element with classes, attributes or listeners, and children. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [name, own] of Object.entries(value)) node.style.setProperty(name, own);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Put children in place of those that are there, and the focus back on the element of the same `data-key`. */
export function fill(node, ...children) {
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  if (focused) node.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

/** A number as a person reads it: three digits. */
export function short(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 0.01 && size < 10000 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

/** A probability: never 0 % or 100 % where it is neither. */
export function percent(share) {
  if (share < 0.0005) return "< 0.1 %";
  return `${share > 0.9995 ? "> 99.9" : (100 * share).toFixed(share > 0.1 && share < 0.99 ? 0 : 1)} %`;
}

let hiding;
/** Say something for a while. */
export function toast(text) {
  const place = $("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.hidden = true; }, 8000);
}
