// How strong a latent is where it is active.

function drawHistogram() {
  emptyFigure("histogram");
  title("histogram", "Activations where active");
  saved.set("histogram", { columns: ["latent", "from", "to", "n_bins"], rows: histogramRows });
  const places = shown().filter((place) => data.n_active[place]);
  if (!places.length) return say("histogram", "Never active.");
  const tables = places.map((place) => {
    const { low, step, n } = histogramOf(place);
    return [
      [...n.map((_, i) => low + i * step), low + n.length * step],
      [...n.map((v) => (100 * v) / data.n_active[place]), 0],
    ];
  });
  addPlot(
    "histogram",
    CURVE_HEIGHT,
    {
      scales: {
        x: {
          time: false,
          range: () =>
            padded(
              tables.flatMap(([x]) => x),
              0.0001,
            ),
        },
        y: { range: () => range(tables.flatMap(([, y]) => y)) },
      },
      axes: [
        axis({ label: "Activation", size: 30 }),
        axis({ size: 48, label: "% of active bins" }),
      ],
      series: [
        {},
        ...places.map((place) => ({
          stroke: () => colourOf(place),
          fill: () => faded(colourOf(place), 0.25),
          width: 1.5,
          spanGaps: true,
          paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: false },
        })),
      ],
      hooks: {
        setCursor: [
          (plot) =>
            readHistogram(plot.cursor.left >= 0 ? plot.posToVal(plot.cursor.left, "x") : null),
        ],
      },
    },
    uPlot.join(tables),
  );
  readHistogram(null);
}

function histogramOf(place) {
  const { count, low, high } = data.histograms;
  const size = count.length / low.length;
  const n = Array.from(count.subarray(place * size, (place + 1) * size));
  return { low: low[place], step: (high[place] - low[place]) / size || 1, n };
}

function readHistogram(value) {
  const texts = shown().map((place) => {
    const { low, step, n } = histogramOf(place);
    const active = data.n_active[place];
    const at = value === null ? -1 : Math.floor((value - low) / step);
    if (at >= 0 && at < n.length) {
      return `${short(low + at * step)} to ${short(low + (at + 1) * step)}: ${n[at].toLocaleString("en")} bins`;
    }
    return `${active.toLocaleString("en")} of ${data.n_bins.toLocaleString("en")} bins active`;
  });
  document.querySelector("#histogram .readout").textContent = texts.join(" and ");
}

function histogramRows() {
  return shown().flatMap((place) => {
    const { low, step, n } = histogramOf(place);
    return n.map((v, i) => [
      data.latents.latent[place],
      rounded(low + i * step),
      rounded(low + (i + 1) * step),
      v,
    ]);
  });
}
