// Pictures and numbers to keep: PNG and CSV of each figure, CSV of the table of latents.

const NO_PICTURE = ["units", "companions", "matches"]; // rows of text: their CSV says it all

function addExports() {
  document.querySelectorAll("#chosen figure").forEach((figure) => {
    const tools = element("span", { class: "tools saves" });
    const kinds = NO_PICTURE.includes(figure.id) ? ["CSV"] : ["PNG", "CSV"];
    kinds.forEach((kind) => {
      const button = element("button", { class: "small", "data-save": kind, title: `Save as ${kind}` }, kind);
      button.addEventListener("click", () => (kind === "PNG" ? savePicture(figure) : saveRows(figure.id)));
      tools.append(button);
    });
    figure.querySelector("figcaption").append(tools);
  });
  byId("table-csv").addEventListener("click", saveTable);
}

function fileName(id, suffix) {
  const numbers = shown().map((place) => data.latents.latent[place]).join("_and_");
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
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
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

// The canvases of a figure under each other, at the places they have on the page.
function picture(figure) {
  const ratio = Math.max(2, devicePixelRatio);
  const box = figure.getBoundingClientRect();
  const canvas = element("canvas");
  canvas.width = box.width * ratio;
  canvas.height = box.height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = colour("ground");
  context.fillRect(0, 0, box.width, box.height);
  context.fillStyle = colour("ink");
  context.font = "600 14px system-ui, sans-serif";
  const names = shown().map((place) => `latent ${data.latents.latent[place]} (${latentName(place)})`).join(" and ");
  const caption = figure.querySelector("figcaption > span").textContent;
  context.fillText(cut(context, `${caption}: ${names}`, box.width - 20), 10, 20);
  figure.querySelectorAll("canvas").forEach((one) => {
    const at = one.getBoundingClientRect();
    context.drawImage(one, at.left - box.left, at.top - box.top, at.width, at.height);
  });
  context.font = FONT;
  figure.querySelectorAll(".moment b, .readout, .chip").forEach((node) => writeText(context, node, box));
  return canvas;
}

function writeText(context, node, box) {
  const at = node.getBoundingClientRect();
  const chip = node.querySelector("i");
  let left = at.left - box.left;
  if (chip) {
    context.fillStyle = chip.style.background;
    context.fillRect(left, at.top - box.top + 4, 10, 10);
    left += 14;
  }
  context.fillStyle = colour("ink");
  context.fillText(cut(context, node.textContent, box.width - left - 6), left, at.top - box.top + 13);
}

function savePicture(figure) {
  picture(figure).toBlob((blob) => save(fileName(figure.id, "png"), blob), "image/png");
}
