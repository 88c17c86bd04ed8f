// Under the activation: what went on. A pixel with several labels in it is hatched grey.

const LANE = { height: 16, gap: 5, top: 2 };
const MOST_KEYS = 8;

function shownLanes() {
  return [...new Set([laneNamed("stimulus"), laneOf(variableNow()), laneNamed("split")])].filter(
    Boolean,
  );
}

function drawLanes() {
  const canvas = byId("lanes");
  const lanes = shownLanes();
  const width = document.querySelector("#time .plots").clientWidth;
  const height = lanes.length * (LANE.height + LANE.gap) + LANE.top;
  const context = fitCanvas(canvas, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  lanes.forEach((lane, number) => {
    const top = LANE.top + number * (LANE.height + LANE.gap);
    context.fillStyle = colour("ink");
    context.fillText(cut(context, lane.name, GUTTER - 12), 2, top + LANE.height / 2);
    drawLane(context, lane, top, width);
  });
  canvas.setAttribute("aria-label", `Lanes: ${lanes.map((lane) => lane.name).join(", ")}`);
  laneKey(lanes);
}

function fitCanvas(canvas, width, height) {
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(devicePixelRatio, devicePixelRatio);
  return context;
}

// Text that fits a width, its end left out where it must be.
function cut(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 1 && context.measureText(`${text.slice(0, length)}\u2026`).width > width)
    length--;
  return `${text.slice(0, length)}\u2026`;
}

function drawLane(context, lane, top, width) {
  const wide = plotWidth();
  const perPixel = (state.to - state.from) / wide;
  const wanted =
    state.label !== null && lane.name === variableNow() ? lane.labels.indexOf(state.label) + 1 : 0;
  context.fillStyle = colour("grid");
  context.fillRect(GUTTER, top, wide, LANE.height);
  let start = 0;
  let now = codeIn(lane, 0, perPixel, wanted);
  for (let pixel = 1; pixel <= wide; pixel++) {
    const next = pixel < wide ? codeIn(lane, pixel, perPixel, wanted) : null;
    if (next === now) continue;
    if (now !== 0) {
      context.fillStyle = now < 0 ? colour("mixed") : labelColour(lane, now - 1);
      context.globalAlpha = wanted && now !== wanted ? 0.2 : 1;
      context.fillRect(GUTTER + start, top, pixel - start, LANE.height);
      context.globalAlpha = 1;
    }
    [start, now] = [pixel, next];
  }
}

// The label in the bins of a pixel: 0 none, -1 several; one that is wanted goes before others.
function codeIn(lane, pixel, perPixel, wanted) {
  const from = state.from + pixel * perPixel;
  const first = Math.max(0, Math.floor(from / data.bin_s));
  const last = Math.min(
    data.n_bins,
    Math.max(first + 1, Math.floor((from + perPixel) / data.bin_s)),
  );
  let found = 0;
  for (let bin = first; bin < last; bin++) {
    const code = lane.code[bin];
    if (code === 0 || code === found) continue;
    if (wanted && code === wanted) return wanted;
    found = found ? -1 : code;
    if (found < 0 && !wanted) return -1;
  }
  return found;
}

function laneKey(lanes) {
  byId("lane-key").replaceChildren(
    ...lanes.map((lane) => {
      const part = element("span", { class: "lane" });
      const known = lane.labels
        .map((label, number) => ({ label, number }))
        .filter(({ number }) => lane.kind !== "split" || present(lane, number + 1));
      const ordered = lane.kind === "value" && known.length > 3;
      const ends = ordered ? [known[0], known.at(-1)] : known;
      const many = ends.length > MOST_KEYS ? `${known.length} labels (point at the lane)` : "";
      part.append(element("span", { class: "lane-name" }, `${lane.name}: ${many}`));
      if (many) return part;
      ends.forEach(({ label, number }) => {
        const chip = element("i");
        chip.style.background = labelColour(lane, number);
        part.append(
          element("span", { class: "chip", title: label }, chip, clipped(label, 26)),
          ordered && number === 0 ? " \u2026 " : " ",
        );
      });
      return part;
    }),
    element("span", { class: "chip" }, mixedChip(), "several in one pixel"),
  );
}

function present(lane, code) {
  lane.codes ??= new Set(lane.code);
  return lane.codes.has(code);
}

function mixedChip() {
  const chip = element("i");
  chip.style.background = colour("mixed");
  return chip;
}

function clipped(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}

// The pointer moves the cursor of the plots above.
function listenToLanes() {
  const canvas = byId("lanes");
  const move = (event) => {
    const plot = plots.get("time")[0];
    if (plot) plot.setCursor({ left: event.offsetX - plot.bbox.left / devicePixelRatio, top: 10 });
  };
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerleave", () => {
    plots.get("time").forEach((plot) => plot.setCursor({ left: -10, top: -10 }));
  });
}
