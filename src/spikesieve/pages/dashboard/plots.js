// What all plots share: colours, axes, where they stand, and what can be saved of them.

const PALETTE = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#56B4E9",
  "#D55E00",
  "#B8A800",
  "#7F7F7F",
];
const STOPS = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];
const FONT = "12px system-ui, sans-serif";
const SPLIT_COLOURS = ["#8a939c", "#E69F00", "#0072B2", "#c9ced4", "#D55E00"];

const plots = new Map(); // id of a figure -> its plots
const saved = new Map(); // id of a figure -> what its CSV holds: {columns, rows()}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Of the chosen latent and of the one it is compared with.
function colourOf(place) {
  return colour(place === state.latent ? "first" : "second");
}

function faded(hex, opacity) {
  const [red, green, blue] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

function labelColour(lane, number) {
  const n = lane.labels.length;
  if (lane.kind === "split") return SPLIT_COLOURS[number];
  if (lane.labels[number] === "(none)") return colour("line");
  if (lane.kind === "angle") return `hsl(${(360 * number) / n}, 60%, 52%)`;
  if (lane.kind === "value") return between(n > 1 ? number / (n - 1) : 0.5);
  return n <= PALETTE.length ? PALETTE[number] : `hsl(${(number * 137.5) % 360}, 55%, 52%)`;
}

function between(where) {
  const place = Math.min(where * (STOPS.length - 1), STOPS.length - 1.001);
  const low = STOPS[Math.floor(place)];
  const high = STOPS[Math.floor(place) + 1];
  const mixed = low.map((v, i) => Math.round(v + (high[i] - v) * (place % 1)));
  return `rgb(${mixed.join(", ")})`;
}

function axis(more = {}) {
  return {
    stroke: () => colour("ink"),
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { stroke: () => colour("soft"), width: 1, size: 5 },
    border: { show: true, stroke: () => colour("soft"), width: 1 },
    font: FONT,
    labelFont: FONT,
    labelSize: 20,
    size: 34,
    values: (_, ticks) => ticks.map((v) => (v === null ? "" : short(v, 4))),
    ...more,
  };
}

function emptyFigure(id) {
  (plots.get(id) ?? []).forEach((plot) => plot.destroy());
  plots.set(id, []);
  document.querySelector(`#${id} .plots`).replaceChildren();
  const readout = document.querySelector(`#${id} .readout`);
  if (readout) readout.textContent = "";
}

// Says what a figure lacks, so that none is empty.
function say(id, sentence) {
  document.querySelector(`#${id} .plots`).append(element("p", { class: "lack" }, sentence));
}

function addPlot(id, height, options, values) {
  const box = document.querySelector(`#${id} .plots`);
  const plot = new uPlot(
    {
      width: Math.max(box.clientWidth, 160),
      height,
      legend: { show: false },
      padding: [10, 12, 0, 0],
      ...options,
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { show: false },
        ...options.cursor,
      },
    },
    values,
    box,
  );
  plots.get(id).push(plot);
  return plot;
}

// Room above and below what is drawn; 0 stays in sight.
function range(values) {
  const there = values.filter((v) => v !== null && Number.isFinite(v));
  const low = Math.min(0, ...there);
  const high = Math.max(0, ...there);
  const room = 0.06 * (high - low || 1);
  return [low < 0 ? low - room : 0, high > 0 || low === 0 ? high + room : 0];
}

function title(id, text) {
  document.querySelector(`#${id} figcaption > span`).textContent = text;
}
