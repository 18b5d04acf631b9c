// The page of `chromputer view`: igv.js with a legend, switches for groups of tracks, and a way
// through the sites. Everything comes from the server on this machine.

import { busy } from "./ask.js";
import { followNotes, followScales, prepared, whenMoved } from "./live.js";
import { siteControls } from "./sites.js";
import { showNamesAsText } from "./text.js";
import { vplotPanel } from "./vplot.js";

const igv = globalThis.igv;
const at = (id) => document.getElementById(id);

function fail(error) {
  at("error").textContent = `The tracks cannot be shown: ${error.message ?? error}`;
  at("error").hidden = false;
}

function showLegend(states) {
  for (const { name, title, color } of states) {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color;
    const code = document.createElement("b");
    code.textContent = name;
    item.append(swatch, code, title);
    at("legend").append(item);
  }
  at("legend").hidden = states.length === 0;
}

// One switch for each group. Hidden tracks are removed from the browser, and loaded again. Answers a
// function that shows a group, right below the states.
function showGroups(browser, groups, configs) {
  const boxes = new Map();
  const orders = configs.map(({ order }) => order);
  for (const { name, color, tracks } of groups) {
    const label = document.createElement("label");
    label.className = "chip";
    label.style.setProperty("--tone", color);
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    const text = document.createElement("span");
    text.textContent = name;
    label.append(box, text);
    at("groups").append(label);
    boxes.set(name, box);
    const names = new Set(tracks.map((place) => configs[place].id));
    box.addEventListener("change", async () => {
      box.disabled = true;
      try {
        if (box.checked) {
          // igv.js writes into what it is given.
          await browser.loadTrackList(tracks.map((place) => prepared(configs[place])));
        } else {
          for (const track of browser.findTracks((item) => names.has(item.id))) {
            browser.removeTrack(track);
          }
        }
      } catch (error) {
        fail(error);
      } finally {
        box.disabled = false;
      }
    });
  }

  return (name) => {
    const chosen = groups.find((group) => group.name === name);
    if (!chosen) return;
    // The others stand where they stood; those of the group right behind what precedes all labels.
    const first = Math.min(...groups.filter(({ label }) => label).flatMap(({ tracks }) => tracks.map((place) => orders[place])));
    configs.forEach((config, place) => {
      const rank = chosen.tracks.indexOf(place);
      config.order = rank < 0 ? orders[place] : first - 1 + (rank + 1) / (chosen.tracks.length + 1);
    });
    const byId = new Map(configs.map(({ id, order }) => [id, order]));
    for (const { track } of browser.trackViews) {
      if (byId.has(track.id)) track.order = byId.get(track.id);
    }
    browser.reorderTracks();
    if (!boxes.get(name).checked) boxes.get(name).click();
  };
}

// The locus is kept in the address, so that reloading the page or a bookmark comes back to it. One
// of another genome leaves the first locus in view, under a message of igv.js.
async function keepLocus(browser) {
  const kept = keptLocus();
  if (kept) {
    await browser.search(kept);
  }
  browser.on("locuschange", () => {
    // One locus is given as a string.
    const where = encodeURIComponent([browser.currentLoci()].flat().join(" "));
    history.replaceState(null, "", `#${where}`);
  });
}

// Names of tracks lie on the left end of what they name: let it be seen through them. What a track
// shows, on a click on its name, may take several lines.
function styleLabels() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    .igv-track-label { background: rgb(255 255 255 / 60%); border-color: #0004; }
    .igv-track-label-popover { max-width: 32rem; }
    .igv-track-label-popover__row { white-space: normal; }
    .igv-navbar-left-container, .igv-windowsize-panel-container, .igv-navbar-genomic-location { white-space: nowrap; }
    .igv-current-genome { display: none; }
    @media (max-width: 60rem) { .igv-logo { display: none; } }
  `);
  at("browser").shadowRoot.adoptedStyleSheets.push(sheet);
}

function keptLocus() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return "";
  }
}

async function start() {
  const answer = await fetch("view.json");
  const view = await answer.json();
  document.title = `${view.title} – chromputer view`;
  at("title").textContent = view.title;
  at("subtitle").textContent = `model ${view.model}, genome ${view.assembly}`;
  showLegend(view.legend);

  const session = view.session;
  session.tracks.forEach((track, place) => {
    track.id = `track ${place}`;
  });
  const configs = session.tracks;
  const browser = await igv.createBrowser(at("browser"), {
    ...session,
    tracks: [],
    // Neither lists of genomes nor names of genes are asked for elsewhere.
    loadDefaultGenomes: false,
    search: false,
  });
  styleLabels();
  showNamesAsText(browser);
  await browser.loadTrackList(configs.map(prepared));
  await browser.updateViews();
  await keepLocus(browser);
  const moved = whenMoved(browser, followNotes(browser), vplotPanel(browser, view.live));
  moved();
  followScales(browser);
  const showGroup = showGroups(browser, view.groups, configs);
  siteControls(view.sites, (locus) => browser.search(locus), showGroup);
  globalThis.chromputerBrowser = browser;
  globalThis.chromputerBusy = busy;
  at("browser").ariaBusy = "false";
}

start().catch(fail);
