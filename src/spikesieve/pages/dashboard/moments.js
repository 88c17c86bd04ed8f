// The strongest moments of a latent: its activation, and under it the spikes of its units.

const ROW = 11;
const TRACE = 34;
const FOOT = 18;
const UNIT_GUTTER = 118;
let spikeStarts = null; // where the spikes of each (latent, moment, unit) start

function momentsOf(place) {
  const { bin, n } = data.moments;
  return Array.from(bin.subarray(place * n, (place + 1) * n)).filter((b) => b >= 0);
}

// As many of them as have room.
function shownMoments(place) {
  const room = document.querySelector("#moments .rows").clientWidth - UNIT_GUTTER;
  return momentsOf(place).slice(0, Math.max(1, Math.floor(room / 90)));
}

function drawMoments() {
  const box = document.querySelector("#moments .rows");
  const places = shown();
  title(
    "moments",
    `Top moments, and the ${data.moments.counts ? "counts" : "spikes"} of the units that contribute most`,
  );
  saved.set("moments", {
    columns: [
      "latent",
      "moment",
      "time_s",
      "activation",
      "split",
      "unit_id",
      data.moments.counts ? "count" : "spike_time_s",
    ],
    rows: momentRows,
  });
  box.replaceChildren(...places.map((place) => momentBlock(place)));
  drawRasters();
}

function momentBlock(place) {
  const bins = shownMoments(place);
  if (!bins.length)
    return element("p", { class: "lack" }, `Latent ${data.latents.latent[place]} is never active.`);
  const block = element("div", { class: "block", "data-place": place });
  const heads = element("div", { class: "heads" });
  heads.style.gridTemplateColumns = `${UNIT_GUTTER}px repeat(${bins.length}, 1fr)`;
  heads.append(element("span", { class: "of" }, `Latent ${data.latents.latent[place]}`));
  bins.forEach((bin, number) => {
    const second = (bin + 0.5) * data.bin_s;
    const own = laneOf(variableNow());
    const label = own?.code[bin] ? own.labels[own.code[bin] - 1] : "";
    const rest = wordsAt(
      bin,
      shownLanes().filter((lane) => lane !== own),
    ).join(", ");
    const button = element(
      "button",
      { class: "moment", title: ["Show it above", label, rest].filter(Boolean).join(", ") },
      element("b", {}, `${seconds(second)} s`),
      element("span", { class: "own" }, label || "\u2013"),
      element("span", {}, rest || "\u2013"),
    );
    button.addEventListener("click", () =>
      view(second - 100 * data.bin_s, second + 100 * data.bin_s),
    );
    button.addEventListener("pointerenter", () => change("hover", { moment: { place, number } }));
    button.addEventListener("pointerleave", () => change("hover", { moment: null }));
    heads.append(button);
  });
  const canvas = element("canvas", {
    role: "img",
    "aria-label": `Units around the top moments of latent ${data.latents.latent[place]}`,
  });
  canvas.addEventListener("pointermove", (event) => {
    const row = Math.floor((event.offsetY - TRACE) / ROW);
    change("hover", { unit: unitsOf(place)[row]?.unit ?? null });
  });
  canvas.addEventListener("pointerleave", () => change("hover", { unit: null }));
  block.append(heads, canvas);
  return block;
}

function drawRasters() {
  document.querySelectorAll("#moments .block").forEach((block) => {
    const place = Number(block.dataset.place);
    const bins = shownMoments(place);
    const units = unitsOf(place);
    const width = block.clientWidth;
    const canvas = block.querySelector("canvas");
    const context = fitCanvas(canvas, width, TRACE + ROW * units.length + FOOT);
    const each = (width - UNIT_GUTTER) / bins.length;
    unitNames(context, units, width);
    bins.forEach((bin, number) => {
      const left = UNIT_GUTTER + number * each + 4;
      drawMoment(context, { place, bin, number, units, left, width: each - 10 });
    });
  });
  document.querySelector("#moments .readout").textContent =
    state.unit === null
      ? "Strongest first; above: activation; triangles over the plot of activation show where they are."
      : `Unit ${unitName(state.unit)}`;
}

function unitNames(context, units, width) {
  context.font = "10.5px system-ui, sans-serif";
  context.textBaseline = "middle";
  units.forEach(({ unit }, row) => {
    const y = TRACE + row * ROW;
    if (unit === state.unit) {
      context.fillStyle = colour("mark");
      context.fillRect(0, y, width, ROW);
    }
    context.fillStyle = colour("ink");
    context.fillText(cut(context, unitName(unit), UNIT_GUTTER - 8), 2, y + ROW / 2 + 0.5);
  });
}

function drawMoment(context, { place, bin, number, units, left, width }) {
  const { around } = data.moments;
  const n = 2 * around + 1;
  const values = Array.from({ length: n }, (_, i) => activationAt(place, bin + i - around));
  const top = Math.max(...values.map(Math.abs), 1e-9);
  context.fillStyle = colour("grid");
  context.fillRect(left, TRACE, width, ROW * units.length);
  if (state.unit !== null) {
    const row = units.findIndex(({ unit }) => unit === state.unit);
    context.fillStyle = colour("mark");
    if (row >= 0) context.fillRect(left, TRACE + row * ROW, width, ROW);
  }
  context.fillStyle = faded(colourOf(place), 0.25); // the bin itself
  context.fillRect(left + (around / n) * width, 4, width / n, TRACE - 4 + ROW * units.length);
  context.fillStyle = colourOf(place);
  values.forEach((value, i) => {
    const height = (Math.abs(value) / top) * (TRACE - 8);
    context.fillRect(left + (i / n) * width, TRACE - 2 - height, width / n + 0.3, height);
  });
  context.fillStyle = colour("ink");
  units.forEach((_, row) =>
    drawTicks(context, { place, number, row, left, width, y: TRACE + row * ROW, n }),
  );
  const half = (n * data.bin_s) / 2;
  context.font = "10.5px system-ui, sans-serif";
  const foot = TRACE + ROW * units.length + FOOT / 2 + 2;
  context.textAlign = "left";
  context.fillText(`\u2212${short(half, 2)} s`, left, foot);
  context.textAlign = "right";
  context.fillText(`${short(half, 2)} s`, left + width, foot);
  context.textAlign = "left";
}

function drawTicks(context, { place, number, row, left, width, y, n }) {
  if (data.moments.counts) {
    const counts = countsAt(place, number, row);
    const top = Math.max(...counts, 1);
    counts.forEach((count, i) => {
      const height = (count / top) * (ROW - 2);
      if (count)
        context.fillRect(
          left + (i / n) * width,
          y + ROW - 1 - height,
          Math.max(width / n - 0.5, 1),
          height,
        );
    });
    return;
  }
  spikesAt(place, number, row).forEach((share) => {
    context.fillRect(left + (share / 255) * width - 0.6, y + 1.5, 1.2, ROW - 3);
  });
}

function rasterPlace(place, number, row) {
  return (place * data.moments.n + number) * data.units.places + row;
}

function countsAt(place, number, row) {
  const n = 2 * data.moments.around + 1;
  const at = rasterPlace(place, number, row) * n;
  return data.moments.counts.subarray(at, at + n);
}

function spikesAt(place, number, row) {
  const { n, at } = data.moments.spikes;
  if (!spikeStarts) {
    spikeStarts = new Uint32Array(n.length + 1);
    n.forEach((count, i) => {
      spikeStarts[i + 1] = spikeStarts[i] + count;
    });
  }
  const own = rasterPlace(place, number, row);
  return at.subarray(spikeStarts[own], spikeStarts[own + 1]);
}

function momentRows() {
  const { around, counts } = data.moments;
  const n = 2 * around + 1;
  const split = laneNamed("split");
  return shown().flatMap((place) =>
    momentsOf(place).flatMap((bin, number) => {
      const about = [
        data.latents.latent[place],
        number + 1,
        Number(((bin + 0.5) * data.bin_s).toFixed(6)),
        rounded(activationAt(place, bin)),
        split.labels[split.code[bin] - 1],
      ];
      const first = (bin - around) * data.bin_s;
      return unitsOf(place).flatMap(({ unit }, row) =>
        counts
          ? [[...about, data.units.id[unit], countsAt(place, number, row)[around]]]
          : Array.from(spikesAt(place, number, row), (share) => [
              ...about,
              data.units.id[unit],
              Number((first + (share / 255) * n * data.bin_s).toFixed(4)),
            ]),
      );
    }),
  );
}
