// What is chosen and what is pointed at. Parts of the page listen to one of three kinds of change:
// "chosen" (latents, variable), "view" (stretch of time) and "hover" (unit, label, moment).

const state = {
  latent: null, // places, as everywhere but in the address
  compare: null,
  variable: null, // null: the one that the latent matches best
  from: 0,
  to: 1,
  tab: "features",
  unit: null, // what a pointer is at
  label: null,
  moment: null,
};
const listeners = { chosen: [], view: [], hover: [] };

function on(kind, listener) {
  listeners[kind].push(listener);
}

function change(kind, changes) {
  if (Object.entries(changes).every(([key, value]) => state[key] === value)) return;
  Object.assign(state, changes);
  if (kind === "chosen") {
    Object.assign(state, { unit: null, label: null, moment: null });
    byId("trouble").hidden = true;
    writeAddress();
  }
  listeners[kind].forEach((listener) => listener());
}

function duration() {
  return data.n_bins * data.bin_s;
}

function shown() {
  return [state.latent, state.compare].filter((place) => place !== null);
}

// The variable that tuning, triggered averages and the second lane are of.
function variableNow() {
  const known = data.tuning.map((curve) => curve.name);
  const wanted = [state.variable, data.latents.variable[state.latent]];
  return wanted.find((name) => known.includes(name)) ?? known[0] ?? laneNames()[0] ?? null;
}

function laneNames() {
  return data.lanes.map((lane) => lane.name).filter((name) => laneOf(name));
}

function choose(place, more = {}) {
  change("chosen", { latent: place, ...more });
}

function compareWith(place) {
  change("chosen", { compare: place === state.latent ? null : place });
}

function view(from, to) {
  const least = Math.min(10 * data.bin_s * data.bins_together, duration());
  const span = Math.min(Math.max(to - from, least), duration());
  const middle = Math.min(Math.max((from + to) / 2, span / 2), duration() - span / 2);
  change("view", { from: middle - span / 2, to: middle + span / 2 });
}

// ---- the address ------------------------------------------------------------------------------

function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const trouble = [];
  const place = (key) => {
    if (!asked.has(key)) return null;
    const found = placeOf.get(Number(asked.get(key)));
    if (found === undefined) trouble.push(`There is no latent ${asked.get(key)}.`);
    return found ?? null;
  };
  const latent = place("latent") ?? state.latent ?? listed()[0] ?? 0;
  const compare = place("compare");
  const changes = {
    latent,
    compare: compare === latent ? null : compare,
    variable: asked.get("variable"),
    tab: asked.get("tab") ?? "features",
  };
  change("chosen", changes);
  byId("trouble").textContent = trouble.join(" ");
  byId("trouble").hidden = trouble.length === 0;
}

function writeAddress() {
  const number = (place) => data.latents.latent[place];
  const parts = new URLSearchParams({ latent: number(state.latent) });
  if (state.compare !== null) parts.set("compare", number(state.compare));
  if (state.variable !== null) parts.set("variable", state.variable);
  if (state.tab !== "features") parts.set("tab", state.tab);
  const address = `#${parts}`;
  if (location.hash !== address) history.replaceState(null, "", address);
}
