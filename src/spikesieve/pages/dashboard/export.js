// Pictures and numbers to keep: PNG and CSV of each figure, CSV of the table of latents.

const NO_PICTURE = ["units", "companions", "matches"]; // rows of text: their CSV says it all

function addExports() {
  document.querySelectorAll("#chosen figure").forEach((figure) => {
    const tools = element("span", { class: "tools saves" });
    const kinds = NO_PICTURE.includes(figure.id) ? ["CSV"] : ["PNG", "CSV"];
    kinds.forEach((kind) => {
      const button = element(
        "button",
        { class: "small", "data-save": kind, title: `Save as ${kind}` },
        kind,
      );
      button.addEventListener("click", () =>
        kind === "PNG" ? savePicture(figure) : saveRows(figure.id),
      );
      tools.append(button);
    });
    figure.querySelector("figcaption").append(tools);
  });
  byId("table-csv").addEventListener("click", saveTable);
}

function fileName(id, suffix) {
  const numbers = shown()
    .map((place) => data.latents.latent[place])
    .join("_and_");
  return `latent_${numbers}_${id}.${suffix}`;
}

function save(name, blob) {
  const link = element("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// ---- numbers ----------------------------------------------------------------------------------

function field(value) {
  const text = value === null || value === undefined ? "" : String(value);
  // Spreadsheets run what starts so as a formula; numbers may start with a minus.
  const safe =
    typeof value === "string" && /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))
      ? `'${text}`
      : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv(columns, found) {
  return [columns, ...found].map((cells) => cells.map(field).join(",")).join("\n") + "\n";
}

function saveRows(id) {
  const { columns, rows: found } = saved.get(id);
  save(fileName(id, "csv"), new Blob([csv(columns, found())], { type: "text/csv" }));
}

function saveTable() {
  const columns = Object.keys(data.latents);
  const found = listed().map((place) => columns.map((name) => data.latents[name][place]));
  save("latents.csv", new Blob([csv(columns, found)], { type: "text/csv" }));
}

// ---- pictures ---------------------------------------------------------------------------------

// The canvases of a figure and its words, at the places they have on the page, under a title.
function picture(figure) {
  const box = figure.getBoundingClientRect();
  const top = figure.querySelector("figcaption").getBoundingClientRect().bottom - box.top;
  const canvas = element("canvas");
  const context = canvas.getContext("2d");
  const names = shown().map(
    (place) => `Latent ${data.latents.latent[place]}: ${latentName(place)}`,
  );
  const titles = [figure.querySelector("figcaption > span").textContent, ...names];
  context.font = "600 14px system-ui, sans-serif";
  const titled = titles.flatMap((text) => wrapped(context, text, box.width - 20));
  const shift = 8 + 18 * titled.length - top; // the title takes the place of the caption
  canvas.width = Math.round(box.width * devicePixelRatio);
  canvas.height = Math.round((box.height + shift + 24) * devicePixelRatio);
  context.scale(devicePixelRatio, devicePixelRatio);
  context.fillStyle = colour("ground");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = colour("ink");
  context.font = "600 14px system-ui, sans-serif";
  titled.forEach((text, i) => context.fillText(text, 10, 18 + 18 * i));
  context.translate(-box.left, shift - box.top);
  figure.querySelectorAll("canvas").forEach((one) => {
    const at = one.getBoundingClientRect();
    context.drawImage(one, at.left, at.top, at.width, at.height);
  });
  figure
    .querySelectorAll(".moment > *, .of, .readout:not(#time-readout), .lane-name, .chip")
    .forEach((node) => writeText(context, node));
  return canvas;
}

function writeText(context, node) {
  const at = node.getBoundingClientRect();
  const chip = node.querySelector("i");
  const style = getComputedStyle(node);
  const room = node.classList.contains("readout") ? at.width : Infinity;
  context.font = `${style.fontWeight} ${style.fontSize} system-ui, sans-serif`;
  let { left } = at;
  if (chip) {
    context.fillStyle = chip.style.background;
    context.fillRect(left, at.top + 4, 10, 10);
    left += 14;
  }
  context.fillStyle = colour("ink");
  const narrow = node.parentElement.classList.contains("moment");
  const lines = narrow
    ? [cut(context, node.textContent, at.width)]
    : wrapped(context, node.textContent, room);
  lines.forEach((text, i) => context.fillText(text, left, at.top + 13 + 16 * i));
}

function wrapped(context, text, width) {
  const lines = [""];
  text.split(" ").forEach((word) => {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width <= width || lines.at(-1) === "")
      lines[lines.length - 1] = longer;
    else lines.push(word);
  });
  return lines.map((one) => cut(context, one, width));
}

function savePicture(figure) {
  picture(figure).toBlob((blob) => save(fileName(figure.id, "png"), blob), "image/png");
}
