// What follows the place in view: coverage of the fragments, axes, and notes on what is seen.

import { ask, locusOf, rested } from "./ask.js";

const at = (id) => document.getElementById(id);
const PAUSE = 120; // ms without a move before axes and notes follow
const AGAIN = 500; // ms until the server is asked again while it reads the fragments

// igv.js takes a source of values in place of a file. A track's own configuration stays plain.
export function prepared(config) {
  const found = structuredClone(config);
  if (found.live) {
    found.featureSource = coverageSource(found.live);
  }
  if (found.autoscale || found.autoscaleGroup) {
    // Set by followScales; igv.js would make the axis 0 to 100 where there is nothing.
    found.scale = found.autoscaleGroup ?? found.id;
    found.autoscale = false;
    found.autoscaleGroup = undefined;
    Object.assign(found, { min: 0, max: 1 });
  }
  return found;
}

function coverageSource({ source, kind }) {
  const getFeatures = async ({ chr, start, end, bpPerPixel }) => {
    if (chr === "all") return [];
    const bin = Math.max(1, Math.ceil(bpPerPixel || 1), Math.ceil((end - start) / 20_000));
    const from = Math.max(0, Math.floor(start));
    const query = { source, kind, chrom: chr, start: from, end: Math.ceil(end), bin };
    let answer;
    do {
      answer = await ask("coverage", query);
      if (answer.wait) await new Promise((done) => setTimeout(done, AGAIN));
    } while (answer.wait);
    return (answer.values ?? []).flatMap((value, i) =>
      value ? [{ chr, start: answer.start + i * bin, end: answer.start + (i + 1) * bin, value }] : [],
    );
  };
  return {
    getFeatures,
    supportsWholeGenome: () => false,
    trackType: async () => "wig",
    searchable: false,
  };
}

// Calls functions when the browser has come to rest at another place; answers a function that has them
// called, too.
export function whenMoved(browser, ...followers) {
  const follow = rested(() => Promise.all(followers.map((follower) => follower())), PAUSE);
  browser.on("locuschange", () => follow());
  return follow;
}

// One axis for the tracks that share a scale, from 0 to what is in view; kept where there is nothing,
// and left alone where the user has set it.
export function followScales(browser) {
  const follow = rested(() => fitScales(browser), PAUSE);
  // What is in view may come long after the move.
  browser.on("featuresloaded", () => follow());
  browser.on("locuschange", () => follow());
  follow();
}

function fitScales(browser) {
  const groups = new Map();
  for (const view of browser.trackViews) {
    const { scale } = view.track.config ?? {};
    if (scale !== undefined) {
      groups.set(scale, [...(groups.get(scale) ?? []), view]);
    }
  }
  for (const views of groups.values()) {
    const values = views.flatMap(valuesInView).filter(Number.isFinite);
    const range = { min: 0 - rounded(0 - Math.min(0, ...values)), max: rounded(Math.max(0, ...values)) };
    if (range.min === range.max) continue;
    for (const view of views) {
      const { track } = view;
      const own = track.chromputerRange ?? track.dataRange;
      if (!same(track.dataRange, own) || same(range, own)) continue;
      track.chromputerRange = { ...range };
      track.dataRange = { ...range };
      view.repaintViews();
    }
  }
}

// Only of what igv.js has loaded: a load begun here would keep its own from being drawn.
function valuesInView(view) {
  return view.viewports.flatMap((viewport) => {
    const { featureCache: cache, referenceFrame } = viewport;
    const { chr, start, bpPerPixel } = referenceFrame;
    const end = start + bpPerPixel * viewport.getWidth();
    if (cache?.chr !== chr || cache.bpStart > start || cache.bpEnd < end) return [];
    if (cache.bpPerPixel !== bpPerPixel) return [];
    const inside = cache.features.filter((item) => item.end > start && item.start < end);
    return inside.map(({ value }) => value);
  });
}

const same = (one, other) => one.min === other.min && one.max === other.max;

// Up to two significant digits.
function rounded(value) {
  if (value <= 0) return 0;
  const step = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Number((Math.ceil(value / step - 1e-9) * step).toPrecision(2));
}

// What is not predicted in view, and what the model had of this contig in its training.
export function followNotes(browser) {
  let asked = 0;
  return async () => {
    const place = locusOf(browser);
    const number = ++asked;
    const told = place
      ? await ask("where", place)
      : { notes: [], split: [] };
    if (number !== asked || told.message) return;
    at("notes").replaceChildren(
      ...told.notes.map((note) => {
        const item = document.createElement("p");
        item.textContent = note;
        return item;
      }),
    );
    at("notes").hidden = told.notes.length === 0;
    at("split").textContent = told.split.join(". ");
  };
}
