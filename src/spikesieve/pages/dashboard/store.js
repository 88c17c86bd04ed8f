"use strict";
// Unpacks what the page holds, and answers questions about it. All text comes in through
// textContent or onto a canvas: none of it is ever read as HTML.

// All is drawn with four pixels in the place of one at least: pictures that are saved are sharp.
window.devicePixelRatio = Math.max(2, window.devicePixelRatio);

const TYPES = {
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  f8: Float64Array,
};
const NONE_16 = -32768;
const LARGEST_16 = 32767;

let data = null; // what contents.py returned, once it is unpacked
const placeOf = new Map(); // number of a latent -> its place in all tables

async function unpack() {
  const element = document.getElementById("data");
  const text = JSON.parse(element.textContent).content;
  element.remove(); // megabytes that nobody needs twice
  const signs = atob(text);
  const deflated = new Uint8Array(signs.length);
  for (let i = 0; i < signs.length; i++) deflated[i] = signs.charCodeAt(i);
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate"));
  const whole = await new Response(stream).arrayBuffer();
  const start = 4 + new DataView(whole).getUint32(0, true);
  data = JSON.parse(new TextDecoder().decode(new Uint8Array(whole, 4, start - 4)), (_, value) =>
    value && value.type in TYPES && "at" in value
      ? new TYPES[value.type](whole, start + value.at, value.length)
      : value,
  );
  data.latents.latent.forEach((latent, place) => placeOf.set(latent, place));
}

// ---- one latent, by its place -----------------------------------------------------------------

const decoded = new Map();

// Active bins (ascending, numbered in steps of data.bins_together) and their activations.
function activationOf(place) {
  if (!decoded.has(place)) {
    const { start, byte, step, share, scale } = data.activations;
    const n = start[place + 1] - start[place];
    const unit = scale[place] / (share instanceof Int8Array ? 127 : 255);
    const found = { bin: new Uint32Array(n), value: new Float32Array(n) };
    let at = byte[place];
    let bin = -1;
    for (let i = 0; i < n; i++) {
      let shift = 0;
      let sign = 0;
      let jump = 0;
      do {
        sign = step[at++];
        jump += (sign & 127) * 2 ** shift;
        shift += 7;
      } while (sign & 128);
      bin += jump;
      found.bin[i] = bin;
      found.value[i] = share[start[place] + i] * unit;
    }
    if (decoded.size > 50) decoded.clear();
    decoded.set(place, found);
  }
  return decoded.get(place);
}

// The activation in one bin, 0 where it is not active.
function activationAt(place, bin) {
  const { bin: bins, value } = activationOf(place);
  const wanted = Math.floor(bin / data.bins_together);
  const at = firstNotBelow(bins, wanted);
  return bins[at] === wanted ? value[at] : 0;
}

function firstNotBelow(sorted, wanted) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The means (offset 0) or their errors (1) of a row of 16-bit shares, null where there is none.
function line(curves, row, offset) {
  const length = curves.line.length / curves.scale.length / 2;
  return Array.from({ length }, (_, i) => {
    const share = curves.line[(row * length + i) * 2 + offset];
    return share === NONE_16 ? null : (share / LARGEST_16) * curves.scale[row];
  });
}

function latentName(place) {
  return data.latents.name[place] || matchName(place) || "no match";
}

function matchName(place) {
  const { variable, label } = data.latents;
  return variable[place] ? `${variable[place]} = ${label[place]}` : "";
}

function unitName(unit) {
  const region = data.units.region[unit];
  return region ? `${data.units.id[unit]} ${region}` : String(data.units.id[unit]);
}

// The units of a latent as {unit, weight, ablation}, the largest weight first.
function unitsOf(place) {
  const { unit, weight, ablation, places } = data.units;
  return Array.from({ length: places }, (_, i) => place * places + i)
    .filter((i) => unit[i] !== 65535)
    .map((i) => ({ unit: unit[i], weight: weight[i], ablation: ablation[i] }));
}

// A lane of conditions, that latents can be tuned to.
function laneOf(variable) {
  return data.lanes.find(
    ({ name, kind }) => name === variable && !["interval", "split"].includes(kind),
  );
}

function laneNamed(wanted) {
  return data.lanes.find(({ name }) => name === wanted);
}

// What goes on in a bin, in words: of each lane, with its name where the label does not speak.
function wordsAt(bin, lanes) {
  return lanes
    .filter((lane) => lane && lane.code[bin])
    .map((lane) => {
      const label = lane.labels[lane.code[bin] - 1];
      return ["stimulus", "split"].includes(lane.name) ? label : `${lane.name} ${label}`;
    });
}

// ---- words and elements -----------------------------------------------------------------------

function element(name, attributes = {}, ...content) {
  const node = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
  node.append(...content); // strings become text
  return node;
}

const byId = (id) => document.getElementById(id);

function short(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 0.001 || size >= 1e6)
      ? value.toExponential(digits - 1)
      : String(Number(value.toPrecision(digits)));
  return text.replace("-", "\u2212");
}

function share(value) {
  return value === null ? "\u2013" : value.toFixed(2).replace("-", "\u2212");
}

function percent(value) {
  if (value === null) return "\u2013";
  if (value === 0) return "0 %";
  return value < 0.0001 ? "< 0.01 %" : `${Number((100 * value).toPrecision(2))} %`;
}

function seconds(value, span) {
  const digits =
    span === undefined ? 2 : Math.max(0, Math.min(3, 2 - Math.floor(Math.log10(span))));
  return value.toFixed(digits).replace("-", "\u2212");
}
