// Activation over time. Where several bins share a pixel, the strongest of them is drawn.

const N_SPLITS = 3; // the first labels of their lane: train, validation, test
const GUTTER = 96; // left of the plots: axis, and the names of lanes

function drawTime() {
  emptyFigure("time");
  const places = shown();
  places.forEach((place, number) => {
    if (!activationOf(place).bin.length) {
      say("time", `Latent ${data.latents.latent[place]} is never active.`);
      return;
    }
    const { value } = activationOf(place);
    const [low, high] = range([
      value.reduce((a, b) => Math.max(a, b)),
      value.reduce((a, b) => Math.min(a, b)),
    ]);
    const last = number === places.length - 1;
    addPlot(
      "time",
      (places.length > 1 ? 110 : 150) + (last ? 24 : 0),
      {
        scales: {
          x: { time: false, range: () => [state.from, state.to] },
          y: { range: () => [low, high] },
        },
        axes: [
          last
            ? axis({
                label: "Seconds",
                size: 30,
                values: (_, ticks) => ticks.map((t) => tickText(t, ticks)),
              })
            : axis({ size: 6, values: () => [] }),
          axis({ size: GUTTER - 20, label: `Latent ${data.latents.latent[place]}` }),
        ],
        series: [
          {},
          {
            stroke: () => colourOf(place),
            fill: () => faded(colourOf(place), 0.3),
            width: 1,
            paths: uPlot.paths.stepped({ align: 1 }),
            points: { show: false },
          },
        ],
        cursor: {
          y: false,
          drag: { x: true, y: false, setScale: false },
          sync: { key: "time" },
          bind: { dblclick: () => () => view(0, duration()) },
        },
        hooks: {
          setSelect: [zoomTo],
          setCursor: [(plot) => place === state.latent && readTime(plot)],
          draw: [(plot) => markMoments(plot, place)],
        },
        place,
      },
      peaks(place, plotWidth()),
    );
    plots.get("time").at(-1).place = place;
  });
  saved.set("time", {
    columns: ["latent", "time_s", "activation"],
    rows: () => shown().flatMap(seenActivations),
  });
}

function plotWidth() {
  return Math.max(50, document.querySelector("#time .plots").clientWidth - GUTTER - 12);
}

function tickText(tick, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 1;
  return tick
    .toFixed(Math.max(0, Math.min(3, -Math.floor(Math.log10(step) + 1e-9))))
    .replace("-", "\u2212");
}

// Left edges in seconds and, from each to the next, the activation furthest from 0; null where all
// bins are unused (gaps between splits, invalid intervals), since nothing was read there.
function peaks(place, width) {
  const { bin, value } = activationOf(place);
  const stored = data.bin_s * data.bins_together; // seconds of what is one activation
  const together = Math.max(1, Math.ceil((state.to - state.from) / stored / width));
  const seconds = stored * together;
  const first = Math.floor(state.from / seconds);
  const n = Math.ceil(state.to / seconds) - first + 1;
  const x = Array.from({ length: n }, (_, i) => (first + i) * seconds);
  const bins = together * data.bins_together;
  const y = x.map((_, i) => (anyRead((first + i) * bins, bins) ? 0 : null));
  for (let i = firstNotBelow(bin, first * together); i < bin.length; i++) {
    const at = Math.floor(bin[i] / together) - first;
    if (at >= n) break;
    if (Math.abs(value[i]) > Math.abs(y[at])) y[at] = value[i];
  }
  return [x, y];
}

function anyRead(first, n) {
  const { code } = laneNamed("split");
  for (let bin = Math.max(first, 0); bin < Math.min(first + n, data.n_bins); bin++) {
    if (code[bin] <= N_SPLITS) return true;
  }
  return false;
}

function seenActivations(place) {
  const { bin, value } = activationOf(place);
  const stored = data.bin_s * data.bins_together;
  const found = [];
  for (let i = firstNotBelow(bin, Math.floor(state.from / stored)); i < bin.length; i++) {
    if (bin[i] * stored >= state.to) break;
    found.push([
      data.latents.latent[place],
      Number((bin[i] * stored).toFixed(6)),
      Number(value[i].toPrecision(3)),
    ]);
  }
  return found;
}

function viewTime() {
  plots.get("time").forEach((plot) => plot.setData(peaks(plot.place, plotWidth()), true));
  drawLanes();
}

function zoomTo(plot) {
  const { left, width } = plot.select;
  if (width < 3) return;
  const [from, to] = [left, left + width].map((x) => plot.posToVal(x, "x"));
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  view(from, to);
}

function zoomBy(how) {
  const span = state.to - state.from;
  const middle = (state.from + state.to) / 2;
  const spans = { in: span / 3, out: span * 3 };
  const moves = { earlier: -span / 2, later: span / 2 };
  if (how === "all") view(0, duration());
  else if (how in spans) view(middle - spans[how] / 2, middle + spans[how] / 2);
  else {
    const move = Math.min(Math.max(moves[how], -state.from), duration() - state.to);
    view(state.from + move, state.to + move);
  }
}

// ---- what is pointed at -----------------------------------------------------------------------

function readTime(plot) {
  const { left } = plot.cursor;
  const second = left >= 0 ? plot.posToVal(left, "x") : -1;
  const bin = Math.floor(second / data.bin_s);
  const readout = byId("time-readout");
  if (bin < 0 || bin >= data.n_bins) {
    readout.textContent = "Drag to zoom, double-click for all.";
    return;
  }
  const parts = [`${seconds(second, state.to - state.from)} s`];
  const at = pixelBins(plot, left);
  shown().forEach((place) => {
    parts.push(`latent ${data.latents.latent[place]}: ${short(strongestIn(place, ...at), 3)}`);
  });
  parts.push(...wordsAt(bin, shownLanes()));
  readout.textContent = parts.join("  \u00b7  ");
}

// The bins that share the pixel which is pointed at.
function pixelBins(plot, left) {
  const together = Math.max(1, Math.ceil((state.to - state.from) / data.bin_s / plotWidth()));
  const first = Math.floor(plot.posToVal(left, "x") / data.bin_s / together) * together;
  return [first, first + together];
}

function strongestIn(place, first, last) {
  const { bin, value } = activationOf(place);
  const stored = data.bins_together;
  let best = 0;
  for (let i = firstNotBelow(bin, Math.floor(first / stored)); i < bin.length; i++) {
    if (bin[i] * stored >= last) break;
    if (Math.abs(value[i]) > Math.abs(best)) best = value[i];
  }
  return best;
}

// A triangle over each top moment; the one that is pointed at below is filled.
function markMoments(plot, place) {
  const { ctx, bbox } = plot;
  ctx.save();
  momentsOf(place).forEach((bin, number) => {
    const second = (bin + 0.5) * data.bin_s;
    if (second < state.from || second > state.to) return;
    const x = plot.valToPos(second, "x", true);
    const size = 5 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x - size, bbox.top - size - 1);
    ctx.lineTo(x + size, bbox.top - size - 1);
    ctx.lineTo(x, bbox.top + size * 0.6);
    ctx.closePath();
    ctx.fillStyle = colourOf(place);
    ctx.globalAlpha =
      state.moment === null || (state.moment.place === place && state.moment.number === number)
        ? 1
        : 0.3;
    ctx.fill();
  });
  ctx.restore();
}
