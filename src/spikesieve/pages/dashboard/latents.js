// The table of latents: searched, sorted, stepped through.

const COLUMNS = [
  { key: "latent", head: "#", title: "Number of the latent", text: String, first: 1 },
  {
    key: "level",
    head: "Level",
    title: "Innermost nested dictionary",
    text: (v) => v ?? "\u2013",
    first: 1,
  },
  { key: "density", head: "Density", title: "Share of bins in which it is active", text: percent },
  {
    key: "stability",
    head: "Stable",
    title: "Correlation with its match of another seed",
    text: share,
  },
  {
    key: "name",
    head: "Best match",
    title: "Label that it tells best; \u2605 it has earned a name; dead, dense, dropped, parent",
    first: 1,
  },
  {
    key: "auroc",
    head: "AUROC / chance",
    title: "Area under the ROC curve in test bins; what 95 % of circular shifts stay under",
  },
];
const sorting = { key: "auroc", direction: -1 };
const rows = []; // by place
const words = []; // by place: what a search looks at
let order = []; // places, as listed

function flagsOf(place) {
  const { named, dead, dense, kept } = data.latents;
  const flags = {
    named: named[place],
    dead: dead[place],
    dense: dense[place],
    dropped: !kept[place],
  };
  return Object.keys(flags).filter((name) => flags[name]);
}

function isParent(place) {
  return parents.has(data.latents.latent[place]);
}

const parents = new Set();

function fillTable() {
  const { start, other, parent } = data.companions;
  other.forEach((latent, i) => parent[i] && parents.add(latent));
  const empty = (key) =>
    Array.isArray(data.latents[key]) && data.latents[key].every((v) => v === null);
  const columns = COLUMNS.filter(({ key }) => !["level", "stability"].includes(key) || !empty(key));
  const head = document.querySelector("#scroll thead tr");
  columns.forEach(({ key, head: text, title, first }) => {
    const button = element("button", { title }, text);
    button.addEventListener("click", () => {
      sorting.direction = sorting.key === key ? -sorting.direction : (first ?? -1);
      sorting.key = key;
      listAgain();
    });
    head.append(element("th", { scope: "col", "data-key": key, class: key }, button));
  });
  data.latents.latent.forEach((latent, place) => {
    const row = element("tr", { "data-latent": latent, "aria-selected": "false" });
    if (!data.latents.kept[place]) row.className = "dropped";
    columns.forEach(({ key, text }) => {
      const cell = element("td", { class: key });
      if (key === "name") cell.append(...named(place));
      else if (key === "auroc")
        cell.append(
          share(latentValue(place, key)),
          element("small", {}, ` / ${share(latentValue(place, "chance_auroc"))}`),
        );
      else cell.textContent = text(latentValue(place, key));
      row.append(cell);
    });
    row.title = [latentName(place), ...flagsOf(place)].join(", ");
    rows.push(row);
    words.push(wordsOf(place));
  });
  const body = document.querySelector("#scroll tbody");
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row) return;
    const place = placeOf.get(Number(row.dataset.latent));
    if (event.shiftKey) compareWith(place);
    else choose(place);
  });
  byId("search").addEventListener("input", listAgain);
  listAgain();
}

function latentValue(place, key) {
  return data.latents[key][place];
}

// The name between a star, where it is earned, and flags: in a narrow column these go first.
function named(place) {
  const star = data.latents.named[place]
    ? [element("span", { class: "star", title: "named" }, "\u2605 ")]
    : [];
  const flags = flagsOf(place).filter((flag) => flag !== "named");
  if (isParent(place)) flags.push("parent");
  return [
    ...star,
    `${latentName(place)} `,
    ...flags.map((flag) => element("span", { class: "flag" }, flag)),
  ];
}

function wordsOf(place) {
  const level = data.latents.level[place];
  const { kept, latent } = data.latents;
  const parts = [latentName(place), matchName(place), ...flagsOf(place)];
  if (kept[place]) parts.push("kept");
  if (isParent(place)) parts.push("parent");
  if (level !== null) parts.push(`level:${level}`);
  return { latent: latent[place], text: parts.join(" \n").toLowerCase() };
}

// A number means the latent, or a whole word of its name; other words may be parts of words.
function fits({ latent, text }, token) {
  if (token.startsWith('"')) return text.includes(token.replaceAll('"', ""));
  if (!/^#?\d+$/.test(token)) return text.includes(token);
  const number = token.replace("#", "");
  return latent === Number(number) || (token === number && text.split(/[\s=]+/).includes(number));
}

function listAgain() {
  const asked = byId("search")
    .value.toLowerCase()
    .replace(/level\s+(?=\d)/g, "level:");
  const tokens = asked.match(/"[^"]*"|\S+/g) ?? []; // words, and phrases in quotation marks
  const values =
    sorting.key === "name" ? rows.map((_, place) => latentName(place)) : data.latents[sorting.key];
  order = rows
    .map((_, place) => place)
    .filter((place) => tokens.every((token) => fits(words[place], token)))
    .sort((a, b) => compareValues(values[a], values[b]) || a - b);
  document.querySelector("#scroll tbody").replaceChildren(...order.map((place) => rows[place]));
  byId("found").textContent =
    order.length === rows.length
      ? `${rows.length.toLocaleString("en")} latents`
      : `${order.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
  document.querySelectorAll("#scroll th").forEach((head) => {
    const own = head.dataset.key === sorting.key;
    head.setAttribute(
      "aria-sort",
      !own ? "none" : sorting.direction > 0 ? "ascending" : "descending",
    );
  });
}

// What is not known comes last, whichever way it is sorted.
function compareValues(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "string") return sorting.direction * a.localeCompare(b, "en", { numeric: true });
  return sorting.direction * (a - b);
}

function listed() {
  return order;
}

// Goes on from the chosen latent; where a search has hidden it, to the first that is listed.
function step(by) {
  if (!order.length) return;
  const now = order.indexOf(state.latent);
  const next = now < 0 ? 0 : Math.min(Math.max(now + by, 0), order.length - 1);
  choose(order[next]);
}

function markRows() {
  document
    .querySelectorAll("#scroll tr.compared")
    .forEach((row) => row.classList.remove("compared"));
  document
    .querySelectorAll("#scroll tr[aria-selected=true]")
    .forEach((row) => row.setAttribute("aria-selected", "false"));
  if (state.compare !== null) rows[state.compare].classList.add("compared");
  rows[state.latent].setAttribute("aria-selected", "true");
  scrollToRow(rows[state.latent]);
}

// The head of the table lies over its rows: a row must come out from under it.
function scrollToRow(row) {
  if (!row.isConnected) return;
  const box = byId("scroll");
  const head = box.querySelector("thead").offsetHeight;
  if (row.offsetTop - head < box.scrollTop) box.scrollTop = row.offsetTop - head;
  const over = row.offsetTop + row.offsetHeight - box.clientHeight;
  if (over > box.scrollTop) box.scrollTop = over;
}
