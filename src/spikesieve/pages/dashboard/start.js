// Puts the parts together once everything is unpacked.

const TABS = ["features", "map", "about"];

function drawAll() {
  drawHeading();
  drawTime();
  drawLanes();
  drawCurves();
  drawMoments();
  drawUnits();
  drawCompanions();
  drawMatches();
}

function drawCurves() {
  drawTuning();
  drawTriggered();
  drawHistogram();
  readTuning();
}

function showTab() {
  TABS.forEach((name) => {
    byId(name).hidden = name !== state.tab;
    byId(`tab-${name}`).setAttribute("aria-selected", String(name === state.tab));
  });
  if (state.tab === "map" && !byId("map").firstChild) {
    const frame = element("iframe", { title: "Unit map" });
    frame.srcdoc = data.unit_map;
    byId("map").append(frame);
  }
}

function onChosen() {
  if (!TABS.includes(state.tab) || (state.tab === "map" && !data.unit_map)) state.tab = "features";
  showTab();
  markRows();
  if (state.tab === "features") drawAll(); // hidden plots have no width
}

function onHover() {
  drawLanes();
  readTuning();
  plots.get("triggered").forEach((plot) => plot.redraw(false));
  plots.get("time").forEach((plot) => plot.redraw(false));
  readTriggered(null);
  drawRasters();
  markUnits();
}

// ---- keys -------------------------------------------------------------------------------------

const STEPS = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -1e9,
  End: 1e9,
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || state.tab !== "features") return;
  const typing = event.target.closest("input, select, textarea");
  const sideways = ["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key);
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else compareWith(null);
  } else if (event.key in STEPS && (!typing || (event.target.id === "search" && !sideways))) {
    step(STEPS[event.key]);
  } else if (!typing && event.key === "/") {
    byId("search").focus();
    byId("search").select();
  } else if (!typing && event.key === "c") {
    compareKept();
  } else return;
  event.preventDefault();
}

// Keeps the chosen latent on the second side; the next in the list stands beside it.
function compareKept() {
  const compare = state.latent;
  const next = listed()[listed().indexOf(compare) + 1] ?? listed()[0];
  if (next !== undefined && next !== compare) choose(next, { compare });
}

// ---- start ------------------------------------------------------------------------------------

function fillVariables() {
  const names = data.tuning.map((curve) => curve.name);
  byId("variable").append(
    element("option", { value: "" }, "best match"),
    ...names.map((name) => element("option", { value: name }, name)),
  );
  byId("variable").addEventListener("change", (event) =>
    change("chosen", { variable: event.target.value || null }),
  );
}

function fillOverview() {
  const { latent, named, dead, dense, kept } = data.latents;
  const count = (flags) => flags.filter(Boolean).length.toLocaleString("en");
  byId("overview").textContent = [
    `${latent.length.toLocaleString("en")} latents: ${count(named)} named, ${count(kept)} kept, ${count(dense)} dense, ${count(dead)} dead`,
    `${data.units.id.length.toLocaleString("en")} units`,
    `${data.n_bins.toLocaleString("en")} bins of ${short(1000 * data.bin_s, 4)} ms`,
  ].join(" \u00b7 ");
  const exact = [
    data.bins_together > 1
      ? `Activations are the strongest of ${data.bins_together} neighbouring bins each, so that this file stays under 10 MB; histograms are of all bins.`
      : "Every bin has its own activation.",
    "Activations over time are kept to a 255th of a latent's largest (a 127th where some are negative); scores, tuning and averages to four digits or more.",
    "Triggered averages are kept of the labels of a latent's best variable that go with its highest activity.",
    data.moments.counts
      ? "Around moments, counts of each bin are shown, each unit to its own largest."
      : `Spike times around moments are kept to ${short((1000 * data.bin_s * (2 * data.moments.around + 1)) / 255, 2)} ms.`,
  ];
  byId("exactness").append(...exact.map((text) => element("li", {}, text)));
}

function listen() {
  on("chosen", onChosen);
  on("view", viewTime);
  on("hover", onHover);
  document.addEventListener("keydown", onKey);
  addEventListener("hashchange", readAddress);
  TABS.forEach((name) =>
    byId(`tab-${name}`).addEventListener("click", () => change("chosen", { tab: name })),
  );
  byId("pin").addEventListener("click", compareKept);
  byId("unpin").addEventListener("click", () => compareWith(null));
  byId("compare").addEventListener("change", ({ target }) => {
    const place = placeOf.get(Number(target.value));
    if (target.value === "" || place === undefined) compareWith(null);
    else compareWith(place);
    drawHeading();
  });
  document
    .querySelectorAll("[data-zoom]")
    .forEach((button) => button.addEventListener("click", () => zoomBy(button.dataset.zoom)));
  listenToLanes();
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === width || state.tab !== "features") return;
    width = contentRect.width;
    drawAll();
  }).observe(byId("chosen"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
}

async function start() {
  try {
    await unpack();
  } catch (error) {
    byId("trouble").hidden = false;
    byId("trouble").textContent = `This page cannot be unpacked by this browser: ${error.message}`;
    throw error;
  }
  state.to = duration();
  byId("tab-map").hidden = !data.unit_map;
  fillOverview();
  fillVariables();
  fillTable();
  addExports();
  listen();
  readAddress();
  document.documentElement.dataset.ready = "yes";
}

start();
