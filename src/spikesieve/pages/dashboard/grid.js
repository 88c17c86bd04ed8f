// Tuning to two things at once, such as the place on a screen: labels "x, y" as a map.

const SCALE_WIDTH = 14;

// Columns and rows of labels that are pairs and fill most of a grid; null for others.
function gridOf(labels) {
  const pairs = labels.map((label) => label.split(", "));
  if (labels.length < 4 || pairs.some((pair) => pair.length !== 2)) return null;
  const [columns, lines] = [0, 1].map((side) =>
    inOrder([...new Set(pairs.map((pair) => pair[side]))]),
  );
  if (columns.length < 2 || lines.length < 2 || labels.length < 0.6 * columns.length * lines.length)
    return null;
  const place = new Map(pairs.map(([x, y], i) => [`${columns.indexOf(x)} ${lines.indexOf(y)}`, i]));
  return { columns, lines, at: (x, y) => place.get(`${x} ${y}`) ?? null };
}

function inOrder(texts) {
  return texts.every((text) => Number.isFinite(parseFloat(text)))
    ? texts.toSorted((a, b) => parseFloat(a) - parseFloat(b))
    : texts;
}

function drawGrids(curve, grid, places) {
  const box = document.querySelector("#tuning .plots");
  const wide = Math.max(box.clientWidth, 160);
  const beside = wide / places.length >= 220;
  const width = beside ? wide / places.length : wide;
  const height = beside ? CURVE_HEIGHT : CURVE_HEIGHT / places.length;
  box.append(
    ...places.map((place) => {
      const canvas = element("canvas", {
        role: "img",
        "aria-label": `Tuning of latent ${data.latents.latent[place]} to ${curve.name}`,
      });
      const frame = drawGrid(canvas, curve, grid, place, [Math.floor(width) - 1, height]);
      canvas.addEventListener("pointermove", (event) => {
        const x = Math.floor((event.offsetX - frame.left) / frame.cell[0]);
        const y = grid.lines.length - 1 - Math.floor((event.offsetY - frame.top) / frame.cell[1]);
        const i = grid.at(x, y);
        change("hover", { label: i === null ? null : curve.labels[i] });
      });
      canvas.addEventListener("pointerleave", () => change("hover", { label: null }));
      return canvas;
    }),
  );
}

function drawGrid(canvas, curve, grid, place, [width, height]) {
  const context = fitCanvas(canvas, width, height);
  const { mean } = tuningOf(curve, place);
  const top = Math.max(...mean, 1e-9);
  const low = Math.min(...mean, 0);
  context.font = FONT;
  const side = Math.max(...grid.lines.map((text) => context.measureText(text).width)) + 12;
  const frame = {
    left: Math.min(side, 90),
    top: 10,
    right: width - SCALE_WIDTH - 52,
    bottom: height - 26,
  };
  frame.cell = [
    (frame.right - frame.left) / grid.columns.length,
    (frame.bottom - frame.top) / grid.lines.length,
  ];
  grid.lines.forEach((_, y) =>
    grid.columns.forEach((__, x) => {
      const i = grid.at(x, y);
      if (i === null || mean[i] === null) return;
      context.fillStyle = between((mean[i] - low) / (top - low));
      context.fillRect(
        frame.left + x * frame.cell[0],
        frame.bottom - (y + 1) * frame.cell[1],
        frame.cell[0] + 0.3,
        frame.cell[1] + 0.3,
      );
    }),
  );
  gridWords(context, grid, frame, low, top);
  return frame;
}

function gridWords(context, grid, frame, low, top) {
  context.fillStyle = colour("ink");
  context.textBaseline = "middle";
  context.textAlign = "right";
  const everyLine = Math.ceil(15 / frame.cell[1]);
  grid.lines.forEach((text, y) => {
    if (y % everyLine === 0)
      context.fillText(
        cut(context, text, frame.left - 8),
        frame.left - 6,
        frame.bottom - (y + 0.5) * frame.cell[1],
      );
  });
  context.textAlign = "center";
  const widest = Math.max(...grid.columns.map((text) => context.measureText(text).width));
  const every = Math.ceil((Math.min(widest, 60) + 6) / frame.cell[0]);
  grid.columns.forEach((text, x) => {
    if (x % every === 0)
      context.fillText(
        cut(context, text, every * frame.cell[0]),
        frame.left + (x + 0.5) * frame.cell[0],
        frame.bottom + 13,
      );
  });
  const height = frame.bottom - frame.top;
  for (let i = 0; i < height; i++) {
    context.fillStyle = between(i / height);
    context.fillRect(frame.right + 10, frame.bottom - i - 1, SCALE_WIDTH, 1.5);
  }
  context.fillStyle = colour("ink");
  context.textAlign = "left";
  [
    [top, frame.top + 5],
    [low, frame.bottom - 5],
  ].forEach(([value, y]) => context.fillText(short(value, 2), frame.right + SCALE_WIDTH + 14, y));
  context.textAlign = "start";
}
