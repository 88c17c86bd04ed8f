// Mean activation around the onsets of labels.

// Of the variable that is shown; of another where the latent was averaged around that alone.
function triggeredOf(place) {
  const { start, variable, label, n } = data.triggered;
  const every = Array.from({ length: start[place + 1] - start[place] }, (_, k) => start[place] + k);
  const own = every.filter((i) => variable[i] === variableNow());
  return (own.length ? own : every).map((i) => ({
    variable: variable[i],
    label: label[i],
    events: n[i],
    mean: line(data.triggered, i, 0),
    sem: line(data.triggered, i, 1),
  }));
}

// The label that is drawn bold: the one pointed at, else the best match, else what rises highest.
function boldOf(lines, place) {
  const wanted = [
    [variableNow(), state.label],
    [data.latents.variable[place], data.latents.label[place]],
  ];
  const found = wanted.map(([variable, label]) =>
    lines.findIndex((one) => one.variable === variable && one.label === label),
  );
  return Math.max(found.find((at) => at >= 0) ?? 0, 0);
}

function drawTriggered() {
  emptyFigure("triggered");
  title("triggered", "Event-triggered average");
  saved.set("triggered", {
    columns: ["latent", "variable", "label", "lag_s", "mean", "sem", "n_events"],
    rows: triggeredRows,
  });
  const parts = shown()
    .map((place) => ({ place, lines: triggeredOf(place) }))
    .filter(({ lines }) => lines.length);
  if (!parts.length) return say("triggered", "No onset in the test bins to average around.");
  title(
    "triggered",
    `Around onsets of ${[...new Set(parts.map(({ lines }) => lines[0].variable))].join(" and ")}`,
  );
  const { lags } = data.triggered;
  const thin = parts.flatMap(({ place, lines }) => lines.map((one) => ({ place, one, lines })));
  const ends = thin.flatMap(({ one: { mean, sem } }) => withErrors(mean, sem));
  addPlot(
    "triggered",
    CURVE_HEIGHT,
    {
      scales: {
        x: { time: false, range: () => [lags[0], lags.at(-1)] },
        y: { range: () => range(ends) },
      },
      axes: [
        axis({ label: "Seconds from onset", size: 30 }),
        axis({ size: 48, label: "Mean activation" }),
      ],
      series: [
        {},
        ...thin.map(({ place }) => ({
          stroke: () => faded(colourOf(place), parts.length > 1 ? 0.15 : 0.4),
          width: 1,
          points: { show: false },
        })),
      ],
      hooks: {
        drawAxes: [zeroLine],
        draw: [
          (plot) =>
            parts.forEach(({ place, lines }) =>
              boldLine(plot, lags, lines[boldOf(lines, place)], colourOf(place)),
            ),
        ],
        setCursor: [(plot) => readTriggered(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
      },
    },
    [lags, ...thin.map(({ one }) => one.mean)],
  );
  readTriggered(null);
}

function withErrors(mean, sem) {
  return mean.flatMap((m, i) => (m === null ? [] : [m - (sem[i] ?? 0), m + (sem[i] ?? 0)]));
}

function boldLine(plot, lags, { mean, sem }, stroke) {
  const { ctx } = plot;
  const there = mean.map((m, i) => i).filter((i) => mean[i] !== null);
  const at = (i, value) => [plot.valToPos(lags[i], "x", true), plot.valToPos(value, "y", true)];
  const draw = (points) => points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  ctx.save();
  ctx.fillStyle = faded(stroke, 0.2);
  ctx.beginPath();
  draw([
    ...there.map((i) => at(i, mean[i] + (sem[i] ?? 0))),
    ...there.toReversed().map((i) => at(i, mean[i] - (sem[i] ?? 0))),
  ]);
  ctx.fill();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 2.2 * devicePixelRatio;
  ctx.beginPath();
  draw(there.map((i) => at(i, mean[i])));
  ctx.stroke();
  ctx.restore();
}

function zeroLine(plot) {
  const { ctx, bbox } = plot;
  const x = plot.valToPos(0, "x", true);
  ctx.save();
  ctx.strokeStyle = colour("soft");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

function readTriggered(at) {
  const { lags } = data.triggered;
  const parts = shown()
    .map((place) => ({ place, lines: triggeredOf(place) }))
    .filter(({ lines }) => lines.length);
  if (!parts.length) return;
  const texts = parts.map(({ place, lines }) => {
    const bold = lines[boldOf(lines, place)];
    const value =
      at === null || at === undefined
        ? ""
        : `: ${short(bold.mean[at])} \u00b1 ${short(bold.sem[at])} at ${short(lags[at])} s`;
    return `${bold.label} (${bold.events.toLocaleString("en")} ${bold.events === 1 ? "onset" : "onsets"})${value}`;
  });
  const others =
    parts.length === 1 && parts[0].lines.length > 1
      ? `; thin: ${parts[0].lines
          .map(({ label }) => clipped(label, 20))
          .filter((_, k) => k !== boldOf(parts[0].lines, parts[0].place))
          .join("; ")}`
      : "";
  document.querySelector("#triggered .readout").textContent =
    `Bold, mean \u00b1 s.e.m.: ${texts.join(" and ")}${others}`;
}

function triggeredRows() {
  return shown().flatMap((place) =>
    triggeredOf(place).flatMap(({ variable, label, mean, sem, events }) =>
      data.triggered.lags.map((lag, i) => [
        data.latents.latent[place],
        variable,
        label,
        lag,
        rounded(mean[i]),
        rounded(sem[i]),
        events,
      ]),
    ),
  );
}
