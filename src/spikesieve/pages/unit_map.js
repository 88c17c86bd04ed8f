"use strict";
// Draws the two maps and, of the unit that is pointed at and the one that is pinned, the stimulus
// before its spikes. All text comes in through textContent: none of it is ever read as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const lines = new Int16Array(
  Uint8Array.from(atob(data.lines), (sign) => sign.charCodeAt(0)).buffer
);
const NONE = -32768;
const SIDE = 400; // of a map, in its own units
const MARGIN = 24;
const NEAR = { mouse: 16, pen: 20, touch: 28 }; // pixels from a pointer to the unit it means

let pointed = null;
let pinned = null;
const maps = [];

function element(name, attributes = {}, content = "") {
  const node = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.textContent = content;
  return node;
}

function shape(name, attributes = {}, content = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.textContent = content;
  return node;
}

function mark(kind, x, y, r, attributes) {
  if (kind === "circle") return shape("circle", { cx: x, cy: y, r, ...attributes });
  const corners = {
    square: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
    triangle: [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]],
    diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  }[kind];
  const points = corners.map(([dx, dy]) => `${x + r * dx},${y + r * dy}`).join(" ");
  return shape("polygon", { points, ...attributes });
}

function nameOf(unit) {
  return `Unit ${data.unit[unit]} of ${data.recordings[data.recording[unit]].name}`;
}

function rateOf(unit) {
  const rate = data.rate[unit];
  return rate === null ? "rate not known" : `${rate.toFixed(2)} spikes per second`;
}

// ---- the maps ---------------------------------------------------------------------------------

function drawMap(id, name, missing) {
  const svg = document.getElementById(id);
  svg.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
  const [x, y] = data[id];
  const shown = x.map((_, unit) => unit).filter((unit) => x[unit] !== null && y[unit] !== null);
  if (!shown.length) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", missing);
    svg.append(shape("text", { x: SIDE / 2, y: SIDE / 2, "text-anchor": "middle" }, missing));
    return;
  }
  const middle = [x, y].map((v) => {
    const values = shown.map((unit) => v[unit]);
    return [Math.min(...values), Math.max(...values)];
  });
  const span = Math.max(...middle.map(([low, high]) => high - low)) || 1;
  const unitsPer = (SIDE - 2 * MARGIN) / span; // the same for both axes: distances stay true
  const at = (unit) => [
    SIDE / 2 + (x[unit] - (middle[0][0] + middle[0][1]) / 2) * unitsPer,
    SIDE / 2 - (y[unit] - (middle[1][0] + middle[1][1]) / 2) * unitsPer,
  ];
  const map = { svg, shown, place: new Map(shown.map((unit) => [unit, at(unit)])) };
  map.rings = ["pinned", "pointed"].map((kind) =>
    shape("circle", { class: `ring ${kind}`, r: 9, visibility: "hidden" })
  );
  svg.setAttribute("role", "application");
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-label", `${name} of ${shown.length} units: arrow keys step, Enter pins`);
  const size = shown.length > 400 ? 3 : 5;
  shown.forEach((unit) => {
    const { colour, shape: kind } = data.recordings[data.recording[unit]];
    const [px, py] = map.place.get(unit);
    svg.append(mark(kind, px, py, size, { class: "unit", fill: colour, "data-unit": unit }));
  });
  svg.append(...map.rings);
  listen(map);
  maps.push(map);
}

function unitNear(map, event) {
  const box = map.svg.getBoundingClientRect();
  const scale = SIDE / Math.min(box.width, box.height);
  const x = (event.clientX - box.left - box.width / 2) * scale + SIDE / 2;
  const y = (event.clientY - box.top - box.height / 2) * scale + SIDE / 2;
  let best = null;
  let least = (NEAR[event.pointerType] ?? NEAR.mouse) * scale;
  map.place.forEach(([px, py], unit) => {
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [best, least] = [unit, distance];
  });
  return best;
}

function unitTowards(map, [dx, dy]) {
  if (!map.place.has(pointed)) return map.shown[0];
  const [x, y] = map.place.get(pointed);
  let best = pointed;
  let least = Infinity;
  map.place.forEach(([px, py], unit) => {
    const along = (px - x) * dx + (py - y) * dy;
    const across = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
    if (along > 0 && along + 2 * across < least) [best, least] = [unit, along + 2 * across];
  });
  return best;
}

function unitAfter(map, step) {
  const n = map.shown.length;
  const now = map.shown.indexOf(pointed);
  return now < 0 ? map.shown[0] : map.shown[(now + step + n) % n];
}

const SIDES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function listen(map) {
  map.svg.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch") show(unitNear(map, event), pinned);
  });
  map.svg.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") show(null, pinned);
  });
  map.svg.addEventListener("click", (event) => {
    const unit = unitNear(map, event);
    show(unit, unit === pinned ? null : unit);
  });
  map.svg.addEventListener("keydown", (event) => {
    if (event.key in SIDES) show(unitTowards(map, SIDES[event.key]), pinned);
    else if (event.key === "PageDown") show(unitAfter(map, 1), pinned);
    else if (event.key === "PageUp") show(unitAfter(map, -1), pinned);
    else if (event.key === "Enter" || event.key === " ") {
      show(pointed, pointed === pinned ? null : pointed ?? pinned);
    } else return;
    event.preventDefault();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") show(null, null);
});

function show(newPointed, newPinned) {
  if (newPointed === pointed && newPinned === pinned) return;
  [pointed, pinned] = [newPointed, newPinned];
  maps.forEach((map) => {
    [pinned, pointed].forEach((unit, number) => {
      const ring = map.rings[number];
      const place = map.place.get(unit);
      ring.setAttribute("visibility", place ? "visible" : "hidden");
      if (place) ["cx", "cy"].forEach((key, axis) => ring.setAttribute(key, place[axis]));
    });
  });
  const units = [...new Set([pinned, pointed])].filter((unit) => unit !== null);
  const top = Math.max(...units.map((unit) => data.scale[unit])); // one scale, to compare
  document.getElementById("details").replaceChildren(...units.map((unit) => card(unit, top)));
}

// ---- one unit ---------------------------------------------------------------------------------

const HIGH = 200;

// As wide as it will be shown, so that its letters keep their size.
function frame(wide) {
  return { wide, left: 58, right: wide - 12, top: 10, bottom: HIGH - 42 };
}

function card(unit, top) {
  const node = element("article", { class: unit === pinned ? "card pinned" : "card" });
  node.append(element("h2", {}, nameOf(unit) + (unit === pinned ? " (pinned)" : "")));
  node.append(element("p", {}, rateOf(unit)));
  const size = data.channels.length * data.lag.length;
  const own = lines.subarray(unit * size, (unit + 1) * size);
  if (own.every((value) => value === NONE)) {
    node.append(element("p", {}, "No stimulus average: no spike that could be averaged over."));
    return node;
  }
  const key = element("p", { class: "key" });
  data.channels.forEach((channel) => key.append(channelKey(channel)));
  const column = document.querySelector("figure").clientWidth;
  const box = frame(Math.min(560, Math.max(280, column - 24)));
  node.append(plot(unit, own, top || 1, box), key);
  return node;
}

function channelKey(channel) {
  const item = element("span");
  const svg = shape("svg", { viewBox: "0 0 38 18", "aria-hidden": "true" });
  svg.append(shape("path", { d: "M0 9H38", ...look(channel), "stroke-width": 3 }));
  item.append(svg, channel.name);
  return item;
}

function look(channel) {
  return { class: "curve", stroke: channel.colour, "stroke-dasharray": channel.dash || "none" };
}

function plot(unit, own, top, box) {
  const longest = data.lag[data.lag.length - 1] || 1;
  const x = (lag) => box.right - ((box.right - box.left) * lag) / longest;
  const y = (value) => (box.top + box.bottom) / 2 - ((box.bottom - box.top) / 2) * (value / top) * 0.95;
  const svg = shape("svg", { viewBox: `0 0 ${box.wide} ${HIGH}`, width: box.wide, role: "img" });
  svg.setAttribute("aria-label", `Mean stimulus before the spikes of ${nameOf(unit)}`);
  svg.append(shape("path", { class: "zero", d: `M${box.left} ${y(0)}H${box.right}` }));
  svg.append(
    shape("path", { class: "axis", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` })
  );
  ticks(0, longest, box.wide / 80).forEach((lag) => {
    svg.append(shape("path", { class: "axis", d: `M${x(lag)} ${box.bottom}v5` }));
    const place = { x: x(lag), y: box.bottom + 18, "text-anchor": "middle" };
    svg.append(shape("text", place, String(lag)));
  });
  ticks(-top, top, 4).forEach((value) => {
    svg.append(shape("path", { class: "axis", d: `M${box.left} ${y(value)}h-5` }));
    const place = { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" };
    svg.append(shape("text", place, String(value).replace("-", "\u2212")));
  });
  const middle = { x: (box.left + box.right) / 2, y: HIGH - 6, "text-anchor": "middle" };
  svg.append(shape("text", middle, "ms before spike"));
  const turn = `translate(12 ${(box.top + box.bottom) / 2}) rotate(-90)`;
  svg.append(shape("text", { transform: turn, "text-anchor": "middle" }, "Stimulus \u2212 its mean"));
  const n = data.lag.length;
  data.channels.forEach((channel, number) => {
    const d = curve(own.subarray(number * n, (number + 1) * n), data.scale[unit] / 32767, x, y);
    svg.append(shape("path", { d, ...look(channel) }));
  });
  return svg;
}

function curve(values, scale, x, y) {
  let d = "";
  let next = "M";
  values.forEach((value, place) => {
    if (value !== NONE) d += `${next}${x(data.lag[place]).toFixed(1)} ${y(value * scale).toFixed(1)}`;
    next = value === NONE ? "M" : "L";
  });
  return d;
}

function ticks(low, high, n) {
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step || 0).toPrecision(6))
  );
}

// ---- start ------------------------------------------------------------------------------------

data.recordings.forEach((recording) => {
  const item = element("span");
  const svg = shape("svg", { viewBox: "0 0 18 18", "aria-hidden": "true" });
  svg.append(mark(recording.shape, 9, 9, 6, { fill: recording.colour }));
  item.append(svg, recording.name);
  document.getElementById("legend").append(item);
});
drawMap("tsne", "t-SNE map", "No t-SNE: it needs 5 units that differ");
drawMap("pca", "Map by principal components", "No unit");
