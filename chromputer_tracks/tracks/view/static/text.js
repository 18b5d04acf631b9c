// Names are text. igv.js 3.8 takes names of tracks, what is under a click and messages for HTML, in
// which a name from a stranger's file could cover the page or lead elsewhere.

const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
// What igv.js itself makes of a name where a track has an address of further information.
const LINK = /^<a target=_blank href=[^>]*>(.*)<\/a>$/s;
const RULE = /^(<hr\b[^<>]*>)+$/;

export function escaped(text) {
  return String(text).replace(/[&<>"']/g, (sign) => SIGNS[sign]);
}

// Call it before tracks are loaded: what is there then are the browser's own, of genome and ruler.
export function showNamesAsText(browser) {
  const viewports = browser.trackViews.flatMap((view) => view.viewports);
  prototypeWith("setTrackLabel", ...viewports).setTrackLabel = function (label) {
    this.trackLabelElement.textContent = label;
    this.trackLabelElement.title = label;
  };

  const alert = prototypeWith("present", browser.alert);
  const { present } = alert;
  alert.present = function (message, callback) {
    const text = String(message?.message ?? message).replace(/<\/?b>/g, "");
    return present.call(this, message?.message ? new Error(escaped(text)) : escaped(text), callback);
  };

  browser.on("trackclick", (track, rows) => rows?.map(popupRow).join(""));
}

function popupRow(row) {
  const html = row.html ?? row;
  if (typeof html === "string" && RULE.test(html)) {
    return "<hr>";
  }
  const value = escaped(String(row.value ?? html).replace(LINK, "$1"));
  const name = row.name ? `<span>${escaped(row.name)}</span>&nbsp;&nbsp;&nbsp;` : "";
  return `<div title="${value}">${name}${value}</div>`;
}

function prototypeWith(name, ...objects) {
  for (let found of objects) {
    while (found && !Object.hasOwn(found, name)) {
      found = Object.getPrototypeOf(found);
    }
    if (found) {
      return found;
    }
  }
  throw new Error(`this igv.js has no ${name}`);
}
