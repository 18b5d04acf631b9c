"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const sites = new Sites(data);
  const view = new MapView(get("map"), Float64Array.from(data.x), Float64Array.from(data.y));
  const MISSING = data.missing;
  const hidden = new Map(data.colorings.map((one) => [one.key, new Set()]));
  const least = new Map();
  let coloring = null;

  /** A fixed random order, so that no class hides the others. */
  const shuffled = (() => {
    const order = Uint32Array.from({ length: sites.count }, (_, i) => i);
    let state = 1;
    for (let i = order.length - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 2 ** 32) * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  })();

  const valuesOf = (one) => (one.output === undefined ? one.values : data.values[one.output]);

  function setColoring(key) {
    coloring = data.colorings.find((one) => one.key === key);
    get("coloring").value = key;
    if (coloring.codes) {
      const named = (i) => Number(coloring.colors[coloring.codes[i]] !== MISSING);
      const order = shuffled.slice().sort((a, b) => named(a) - named(b));
      view.setColors(coloring.colors, Uint16Array.from(coloring.codes), order);
      get("legend").replaceChildren(...classLegend(coloring, hidden.get(key), showVisible));
    } else {
      const values = valuesOf(coloring);
      const steps = data.scale.length;
      const codes = Uint16Array.from(values, (value) => {
        if (value === null) return steps;
        const share = (value - coloring.low) / (coloring.high - coloring.low);
        return Math.min(Math.max(Math.floor(share * steps), 0), steps - 1);
      });
      const height = (i) => (values[i] === null ? -Infinity : values[i]);
      const order = shuffled.slice().sort((a, b) => (height(a) < height(b) ? -1 : Number(height(a) > height(b))));
      view.setColors([...data.scale, MISSING], codes, order);
      const change = (value) => { least.set(key, value); showVisible(); };
      get("legend").replaceChildren(...valueLegend(coloring, least.get(key) || 0, data.scale, change));
    }
    showVisible();
  }

  function showVisible() {
    const off = hidden.get(coloring.key);
    const values = coloring.codes ? null : valuesOf(coloring);
    const limit = coloring.low + ((least.get(coloring.key) || 0) / 100) * (coloring.high - coloring.low);
    let shown = 0;
    for (let i = 0; i < sites.count; i++) {
      const on = values ? !least.get(coloring.key) || (values[i] !== null && values[i] >= limit)
        : !off.has(coloring.codes[i]);
      view.visible[i] = Number(on);
      shown += Number(on);
    }
    const all = whole.format(sites.count);
    get("shown").textContent = shown === sites.count ? `${all} sites` : `${whole.format(shown)} of ${all} sites`;
    view.redraw();
  }

  let hiding = 0;
  function toast(text) {
    get("toast").textContent = text;
    get("toast").classList.add("on");
    clearTimeout(hiding);
    hiding = setTimeout(() => get("toast").classList.remove("on"), 1800);
  }

  async function copy(i) {
    const text = sites.locus(i).replaceAll(",", "");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Pages opened as files may lack the clipboard; a selection can be copied everywhere.
      const field = make("textarea", "");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    toast(`${text} copied`);
  }

  function choose(i) {
    view.chosen = i;
    if (i >= 0) get("site").replaceChildren(...sites.details(i, copy));
    view.redraw();
  }

  const tip = get("tip");
  function hover(i, x, y) {
    view.canvas.classList.toggle("over", i >= 0);
    if (i !== view.hovered) {
      view.hovered = i;
      view.redraw();
      if (i >= 0) tip.replaceChildren(...sites.tip(i));
      tip.hidden = i < 0;
    }
    if (i < 0) return;
    const left = x + 18 + tip.offsetWidth > view.wide ? x - 18 - tip.offsetWidth : x + 18;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${Math.max(Math.min(y + 14, view.tall - tip.offsetHeight - 6), 4)}px`;
  }

  function click(i, event) {
    choose(i);
    if (i < 0) return;
    const action = event.ctrlKey || event.metaKey ? "show" : get("click").value;
    if (action === "copy") copy(i);
    if (action === "ucsc") window.open(sites.ucsc(i), "_blank", "noopener");
  }

  /** Choose a site and move to it; a class that was switched off and holds it comes back. */
  function goTo(i) {
    if (!view.visible[i]) {
      if (coloring.codes) hidden.get(coloring.key).delete(coloring.codes[i]);
      least.delete(coloring.key);
      setColoring(coloring.key);
    }
    choose(i);
    view.goTo(i);
  }

  let matches = [], at = 0;
  function showMatch(step) {
    at = (at + step + matches.length) % matches.length;
    const i = matches[at];
    goTo(i);
    const which = matches.length > 1 ? `site ${whole.format(at + 1)} of ${whole.format(matches.length)}: ` : "";
    get("matches").textContent = `${which}${sites.locus(i)}`;
  }

  get("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const found = sites.search(get("query").value);
    if (found === null) { forget(); return; }
    get("found").hidden = false;
    matches = found.rows;
    at = 0;
    view.rings = matches.length > 1 ? matches : [];
    for (const id of ["previous", "next"]) get(id).hidden = matches.length < 2;
    if (!matches.length) {
      get("matches").textContent = data.names.length ? "no such contig or name" : "no such contig here";
      view.redraw();
      return;
    }
    showMatch(0);
    if (found.gap) {
      get("matches").textContent = `no site there; the nearest, ${whole.format(found.gap)} bp away: ${sites.locus(matches[0])}`;
    }
  });
  function forget() {
    matches = [];
    view.rings = [];
    get("query").value = "";
    get("found").hidden = true;
    view.redraw();
  }
  get("previous").addEventListener("click", () => showMatch(-1));
  get("next").addEventListener("click", () => showMatch(1));
  get("forget").addEventListener("click", forget);

  const groups = { model: "Model", label: "Probability or value", column: "Column of the BED" };
  for (const [group, title] of Object.entries(groups)) {
    const members = data.colorings.filter((one) => one.group === group);
    if (!members.length) continue;
    const options = members.map((one) => make("option", "", group === "label" ? one.key : one.title, { value: one.key }));
    get("coloring").append(make("optgroup", "", options, { label: title }));
  }
  get("coloring").addEventListener("change", (event) => setColoring(event.target.value));
  get("zoom-in").addEventListener("click", () => view.zoom(1.5));
  get("zoom-out").addEventListener("click", () => view.zoom(1 / 1.5));
  get("zoom-all").addEventListener("click", () => view.fit());
  moveByHand(view, hover, click);

  const toMap = () => get("atlas").scrollIntoView();
  for (const button of document.querySelectorAll("[data-site]")) {
    button.addEventListener("click", () => {
      goTo(Number(button.dataset.site));
      toMap();
    });
  }
  for (const button of document.querySelectorAll("[data-cluster]")) {
    button.addEventListener("click", () => {
      const off = hidden.get("cluster");
      off.clear();
      sites.cluster.names.forEach((_, code) => { if (code !== Number(button.dataset.cluster)) off.add(code); });
      setColoring("cluster");
      view.fit();
      toMap();
    });
  }
  setColoring(data.key);
})();
