// Tuning, event-triggered average and histogram: of one latent, or of two to compare.

const CURVE_HEIGHT = 250;

function tuningCurve() {
  return data.tuning.find((curve) => curve.name === variableNow());
}

function tuningOf(curve, place) {
  return { mean: line(curve, place, 0), sem: line(curve, place, 1) };
}

// ---- tuning -----------------------------------------------------------------------------------

function drawTuning() {
  emptyFigure("tuning");
  const curve = tuningCurve();
  title("tuning", curve ? `Tuning to ${curve.name}` : "Tuning");
  saved.set("tuning", {
    columns: ["latent", "variable", "label", "value", "mean", "sem", "n_bins"],
    rows: tuningRows,
  });
  const places = shown().filter(
    (place) => curve && tuningOf(curve, place).mean.some((v) => v !== null),
  );
  if (!places.length)
    return say(
      "tuning",
      curve
        ? "Silent in the bins that are judged (test)."
        : "No stimulus, trial or signal to be tuned to.",
    );
  const lines = places.map((place) => tuningOf(curve, place));
  const grid = gridOf(curve.labels);
  if (grid) return drawGrids(curve, grid, places);
  const onValues = curve.values.length > 1 && curve.values.every((v) => v !== null);
  const x = onValues ? curve.values : curve.labels.map((_, i) => i);
  const ends = lines.flatMap(({ mean, sem }) =>
    mean.flatMap((m, i) => (m === null ? [] : [m - (sem[i] ?? 0), m + (sem[i] ?? 0)])),
  );
  const order = x.map((_, i) => i).sort((a, b) => x[a] - x[b]);
  const sorted = (values) => order.map((i) => values[i]);
  const width = document.querySelector("#tuning .plots").clientWidth;
  addPlot(
    "tuning",
    CURVE_HEIGHT,
    {
      scales: {
        x: {
          time: false,
          range: () => padded(x, onValues ? 0.06 * (Math.max(...x) - Math.min(...x)) : 0.6),
        },
        y: { range: () => range(ends) },
      },
      axes: [
        onValues ? axis({ label: curve.name, size: 30 }) : labelAxis(curve.labels, width),
        axis({ size: 48, label: "Mean activation" }),
      ],
      series: [
        {},
        ...places.map((place) => ({
          stroke: () => colourOf(place),
          width: 2,
          paths: onValues ? uPlot.paths.linear() : () => null,
          points: { show: false },
        })),
      ],
      hooks: {
        drawAxes: [
          (plot) =>
            places.forEach((place, k) =>
              dashed(plot, overall(curve, lines[k].mean), colourOf(place)),
            ),
        ],
        draw: [
          (plot) =>
            places.forEach((place, k) =>
              pointsWithErrors(
                plot,
                x,
                lines[k],
                colourOf(place),
                onValues ? 0 : (k - (places.length - 1) / 2) * 8,
              ),
            ),
        ],
        setCursor: [
          (plot) => {
            const at = plot.cursor.idx;
            const label =
              plot.cursor.left >= 0 && at !== null && at !== undefined ? order[at] : null;
            change("hover", { label: label === null ? null : curve.labels[label] });
          },
        ],
      },
    },
    [sorted(x), ...lines.map(({ mean }) => sorted(mean))],
  );
}

function padded(values, room) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return [low - (room || 1), high + (room || 1)];
}

// Mean over all bins that have a label.
function overall(curve, mean) {
  const there = mean.map((m, i) => [m, curve.n[i]]).filter(([m]) => m !== null);
  const total = there.reduce((sum, [, n]) => sum + n, 0);
  return total ? there.reduce((sum, [m, n]) => sum + m * n, 0) / total : null;
}

function labelAxis(labels, width) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = FONT;
  const room = (width - 80) / labels.length;
  const longest = Math.max(...labels.map((label) => context.measureText(label).width));
  const flat = longest + 8 < room;
  const every = flat ? 1 : Math.ceil(15 / room);
  const texts = labels.map((label) => (flat ? label : cut(context, label, 80)));
  return axis({
    splits: () => labels.map((_, i) => i),
    values: (_, ticks) => ticks.map((i) => (i % every ? "" : (texts[i] ?? ""))),
    rotate: flat ? 0 : -90,
    size: flat ? 34 : Math.min(longest, 84) + 16,
    grid: { show: false },
  });
}

function pointsWithErrors(plot, x, { mean, sem }, stroke, shift) {
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = stroke;
  ctx.lineWidth = 1.5 * ratio;
  mean.forEach((m, i) => {
    if (m === null) return;
    const px = plot.valToPos(x[i], "x", true) + shift * ratio;
    if (sem[i] !== null) {
      ctx.beginPath();
      ctx.moveTo(px, plot.valToPos(m - sem[i], "y", true));
      ctx.lineTo(px, plot.valToPos(m + sem[i], "y", true));
      ctx.stroke();
    }
    ctx.beginPath();
    ctx.arc(px, plot.valToPos(m, "y", true), 3.2 * ratio, 0, 7);
    ctx.fill();
  });
  ctx.restore();
}

function dashed(plot, value, stroke) {
  if (value === null) return;
  const { ctx, bbox } = plot;
  const y = plot.valToPos(value, "y", true);
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

function tuningRows() {
  const curve = tuningCurve();
  return shown().flatMap((place) => {
    if (!curve) return [];
    const { mean, sem } = tuningOf(curve, place);
    return curve.labels.map((label, i) => [
      data.latents.latent[place],
      curve.name,
      label,
      curve.values[i],
      rounded(mean[i]),
      rounded(sem[i]),
      curve.n[i],
    ]);
  });
}

function rounded(value) {
  return value === null ? null : Number(value.toPrecision(4));
}

function readTuning() {
  const curve = tuningCurve();
  const readout = document.querySelector("#tuning .readout");
  if (!curve || document.querySelector("#tuning .lack")) return;
  const at = curve.labels.indexOf(state.label);
  if (at < 0) {
    readout.textContent = gridOf(curve.labels)
      ? `Mean in test bins; each scale is a latent's own.`
      : "Test bins, mean \u00b1 s.e.m.; dashed: mean over all labels.";
    return;
  }
  const values = shown().map((place) => {
    const { mean, sem } = tuningOf(curve, place);
    return `${short(mean[at])} \u00b1 ${short(sem[at])}`;
  });
  readout.textContent = `${curve.labels[at]}: ${values.join(" and ")}, ${curve.n[at].toLocaleString("en")} bins`;
}
