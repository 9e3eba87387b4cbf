/** A map of layer × neuron on a canvas: the pointer or the arrow keys walk over it, Enter or a click chooses. */

import { h, short } from "./dom.js";
import { t } from "./words.js";

const GUTTER = 34;

export class HeatMap {
  /** `choose(layer, index, score)` hears of a choice; `tokens(layer, index)` says what a neuron promotes, if known. */
  constructor(result, choose, tokens) {
    Object.assign(this, { result, choose, tokens, at: null, marked: new Map() });
    this.tall = Math.max(10, Math.min(34, Math.round(420 / result.layers.length)));
    this.canvas = h("canvas", {
      tabindex: 0, role: "application", "aria-label": t("neurons.map", { layers: result.layers.length, neurons: result.d_ff }),
      onpointermove: (event) => this.move(this.under(event)),
      onpointerleave: () => { if (document.activeElement !== this.canvas) this.move(null); },
      onclick: (event) => { this.move(this.under(event)); this.pick(); },
      onkeydown: (event) => this.press(event),
      onfocus: () => { if (!this.at) this.move(this.best()); },
    });
    this.tip = h("div.tip", { "aria-live": "polite", hidden: true });
    this.node = h("div.heat", {}, this.canvas, this.tip, this.legend());
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.canvas);
  }

  close() {
    this.watch.disconnect();
  }

  /** Mark the neurons whose activation is changed. */
  mark(factors) {
    this.marked = factors;
    this.draw();
  }

  legend() {
    return h("div.legend", {}, h("span", {}, "0"), h("span.ramp", { "aria-hidden": "true" }), h("span.num", {}, short(this.result.highest)),
      h("span.dim", {}, t("neurons.axes", { last: this.result.d_ff - 1 })));
  }

  best() {
    const cells = this.result.layers.flatMap((row, layer) => row.cells.map(([, score], cell) => ({ layer, cell, score })));
    return cells.reduce((a, b) => (b.score > a.score ? b : a));
  }

  under(event) {
    const box = this.canvas.getBoundingClientRect();
    const cells = this.result.layers[0].cells.length;
    const cell = Math.floor(((event.clientX - box.left - GUTTER) / (box.width - GUTTER)) * cells);
    const layer = Math.floor((event.clientY - box.top) / this.tall);
    return cell >= 0 && cell < cells && layer >= 0 && layer < this.result.layers.length ? { layer, cell } : null;
  }

  move(at) {
    this.at = at;
    this.draw();
    this.tip.hidden = at === null;
    if (at === null) return;
    const [index, score] = this.result.layers[at.layer].cells[at.cell];
    const tokens = this.tokens(at.layer, index);
    this.tip.textContent = `L${at.layer}·N${index} · ${short(score)}${tokens ? ` · ${tokens.slice(0, 5).join(" ")}` : ""}`;
    const width = this.canvas.clientWidth;
    const left = GUTTER + ((width - GUTTER) * at.cell) / this.result.layers[0].cells.length;
    this.tip.style.left = `${Math.max(0, Math.min(left - 40, width - this.tip.offsetWidth))}px`;
    this.tip.style.top = `${(at.layer + 1) * this.tall + 6}px`;
  }

  pick() {
    if (this.at === null) return;
    const [index, score] = this.result.layers[this.at.layer].cells[this.at.cell];
    this.choose(this.at.layer, index, score);
  }

  press(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (step && this.at) {
      const wrap = (value, count) => (value + count) % count;
      this.move({
        layer: wrap(this.at.layer + step[0], this.result.layers.length),
        cell: wrap(this.at.cell + step[1], this.result.layers[0].cells.length),
      });
    } else if (event.key === "Enter" || event.key === " ") this.pick();
    else if (event.key === "Home") this.move(this.best());
    else return;
    event.preventDefault();
  }

  draw() {
    const { canvas, result, tall } = this;
    const ratio = devicePixelRatio || 1;
    const wide = canvas.clientWidth;
    if (!wide) return;
    const high = tall * result.layers.length;
    canvas.style.height = `${high}px`;
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const colour = (name) => getComputedStyle(canvas).getPropertyValue(name).trim();
    const ground = colour("--cell"), hot = colour("--accent"), ink = colour("--ink"), dim = colour("--dim");
    const cells = result.layers[0].cells.length;
    const step = (wide - GUTTER) / cells;
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    result.layers.forEach((row, layer) => {
      pen.globalAlpha = 1;
      pen.fillStyle = dim;
      if (tall > 12 || layer % 4 === 0) pen.fillText(`L${layer}`, 0, layer * tall + tall / 2);
      pen.fillStyle = ground;
      pen.fillRect(GUTTER, layer * tall, wide - GUTTER, tall - 2);
      pen.fillStyle = hot;
      row.cells.forEach(([, score], cell) => {
        pen.globalAlpha = (Math.max(0, score) / (result.highest || 1)) ** 0.7;
        pen.fillRect(GUTTER + cell * step, layer * tall, Math.max(step - 0.4, 1), tall - 2);
      });
    });
    pen.globalAlpha = 1;
    pen.fillStyle = ink;
    for (const name of this.marked.keys()) {
      const [layer, index] = name.split(".").map(Number);
      pen.beginPath();
      pen.arc(GUTTER + ((index + 0.5) / result.d_ff) * (wide - GUTTER), layer * tall + (tall - 2) / 2, 2.5, 0, 7);
      pen.fill();
    }
    if (this.at) {
      pen.strokeStyle = ink;
      pen.lineWidth = 2;
      pen.strokeRect(GUTTER + this.at.cell * step - 1, this.at.layer * tall, step + 2, tall - 2);
    }
  }
}
