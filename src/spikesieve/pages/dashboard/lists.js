// The heading, and what is told in rows: units, latents active together, matches.

function drawHeading() {
  const parts = shown().map((place) => {
    const { latent, density, stability, level, auroc, chance_auroc, p_corrected, n_units } =
      data.latents;
    const facts = [
      auroc[place] === null
        ? null
        : `AUROC ${share(auroc[place])} (chance up to ${share(chance_auroc[place])}, p ${short(p_corrected[place], 2)})`,
      `active in ${percent(density[place])} of test bins`,
      stability[place] === null ? null : `stability ${share(stability[place])}`,
      level[place] === null ? null : `level ${level[place]}`,
      n_units[place] === null ? null : `${short(n_units[place], 2)} effective units`,
    ];
    const head = element(
      "h2",
      { class: place === state.latent ? "first" : "second" },
      `Latent ${latent[place]}: `,
      ...named(place),
    );
    return element("div", {}, head, element("p", {}, facts.filter(Boolean).join(" \u00b7 ")));
  });
  byId("names").replaceChildren(...parts);
  byId("compare").value = state.compare === null ? "" : data.latents.latent[state.compare];
  byId("unpin").hidden = state.compare === null;
  byId("variable").value = state.variable ?? "";
  byId("variable").firstChild.textContent =
    `best match${state.variable === null && variableNow() ? ` (${variableNow()})` : ""}`;
}

// A table for each latent that is shown; `none` says why one has no rows.
function listFigure(id, heads, rowsOf, none) {
  const blocks = shown().map((place) => {
    const found = rowsOf(place);
    const name = `Latent ${data.latents.latent[place]}`;
    if (!found.length) return element("p", { class: "lack" }, `${name}: ${none}`);
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    return element(
      "table",
      { class: place === state.latent ? "first" : "second" },
      element("caption", {}, name),
      element("thead", {}, head),
      element("tbody", {}, ...found),
    );
  });
  document.querySelector(`#${id} .rows`).replaceChildren(...blocks);
}

function row(cells, attributes = {}) {
  const plain = (cell) => (typeof cell === "string" ? { title: cell } : {});
  return element("tr", attributes, ...cells.map((cell) => element("td", plain(cell), cell)));
}

function bar(value, largest, place) {
  const box = element("span", { class: value < 0 ? "bar negative" : "bar" });
  const inner = element("i");
  inner.style.width = `${largest ? (50 * Math.abs(value)) / largest : 0}%`;
  inner.style.background = colourOf(place);
  box.append(inner);
  return element("span", { class: "barred" }, box, short(value, 2));
}

function drawUnits() {
  saved.set("units", {
    columns: ["latent", "unit_id", "region", "depth_um", "weight", "ablation"],
    rows: unitTable,
  });
  const regions = data.units.region.some(Boolean);
  const depths = data.units.depth.some((depth) => depth !== null);
  const heads = [
    "Unit",
    ...(regions ? ["Area"] : []),
    ...(depths ? ["Depth"] : []),
    "Weight",
    "Ablation",
  ];
  listFigure(
    "units",
    heads,
    (place) => {
      const units = unitsOf(place);
      const largest = Math.max(...units.map(({ weight }) => Math.abs(weight)));
      return units.map(({ unit, weight, ablation }) => {
        const cells = [String(data.units.id[unit])];
        if (regions) cells.push(data.units.region[unit] || "\u2013");
        if (depths) cells.push(short(data.units.depth[unit], 4));
        const node = row([...cells, bar(weight, largest, place), short(ablation, 2)], {
          "data-unit": unit,
        });
        if (regions) node.children[1].className = "area";
        node.addEventListener("pointerenter", () => change("hover", { unit }));
        node.addEventListener("pointerleave", () => change("hover", { unit: null }));
        return node;
      });
    },
    "no unit contributes.",
  );
}

function markUnits() {
  document.querySelectorAll("#units tr[data-unit]").forEach((node) => {
    node.classList.toggle("pointed", Number(node.dataset.unit) === state.unit);
  });
}

function unitTable() {
  return shown().flatMap((place) =>
    unitsOf(place).map(({ unit, weight, ablation }) => [
      data.latents.latent[place],
      data.units.id[unit],
      data.units.region[unit],
      data.units.depth[unit],
      rounded(weight),
      rounded(ablation),
    ]),
  );
}

function companionsOf(place) {
  const { start, other, jaccard, r, parent } = data.companions;
  return Array.from({ length: start[place + 1] - start[place] }, (_, k) => start[place] + k).map(
    (i) => ({ other: placeOf.get(other[i]), jaccard: jaccard[i], r: r[i], parent: parent[i] }),
  );
}

function drawCompanions() {
  saved.set("companions", {
    columns: ["latent", "other", "jaccard", "r", "is_parent"],
    rows: companionTable,
  });
  listFigure(
    "companions",
    ["Latent", "Jaccard", "r", ""],
    (place) =>
      companionsOf(place).map(({ other, jaccard, r, parent }) => {
        const name = `${data.latents.latent[other]}: ${parent ? "(parent) " : ""}${latentName(other)}`;
        const link = element("button", { class: "link", title: name }, name);
        link.addEventListener("click", () => choose(other));
        const both = element("button", { class: "small", title: "Compare with it" }, "compare");
        both.addEventListener("click", () => compareWith(other));
        const node = row([link, share(jaccard), share(r), both]);
        node.children[0].className = "other";
        return node;
      }),
    "never active together with another.",
  );
}

function companionTable() {
  return shown().flatMap((place) =>
    companionsOf(place).map(({ other, jaccard, r, parent }) => [
      data.latents.latent[place],
      data.latents.latent[other],
      jaccard,
      r,
      parent,
    ]),
  );
}

function matchesOf(place) {
  const { start } = data.matches;
  return Array.from({ length: start[place + 1] - start[place] }, (_, k) => start[place] + k);
}

function drawMatches() {
  const { variable, label, sign, lag, n, auroc, chance_auroc, p_corrected } = data.matches;
  saved.set("matches", {
    columns: [
      "latent",
      "variable",
      "label",
      "sign",
      "lag_bins",
      "n_bins",
      "auroc",
      "chance_auroc",
      "p_corrected",
    ],
    rows: () =>
      shown().flatMap((place) =>
        matchesOf(place).map((i) => [
          data.latents.latent[place],
          variable[i],
          label[i],
          sign[i],
          lag[i],
          n[i],
          auroc[i],
          chance_auroc[i],
          p_corrected[i],
        ]),
      ),
  });
  listFigure(
    "matches",
    ["Variable", "Label", "AUROC", "Chance", "p", "Lag"],
    (place) =>
      matchesOf(place).map((i) => {
        const button = element(
          "button",
          { class: "link", title: "Show this variable" },
          variable[i],
        );
        button.addEventListener("click", () => change("chosen", { variable: variable[i] }));
        return row([
          button,
          `${label[i]}${sign[i] < 0 ? " (low)" : ""}`,
          share(auroc[i]),
          share(chance_auroc[i]),
          short(p_corrected[i], 2),
          lag[i] ? `${short(lag[i] * data.bin_s)} s` : "0",
        ]);
      }),
    "matches no label.",
  );
}
