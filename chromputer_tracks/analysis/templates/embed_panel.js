"use strict";

/** An element with a class, text or children, and attributes. */
function make(tag, className, content = [], attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...[content].flat());
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function swatch(color) {
  const element = make("span", "swatch");
  element.style.background = color;
  return element;
}

const whole = new Intl.NumberFormat("en");

function short(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 10000 || (size > 0 && size < 0.001)) return value.toExponential(1);
  return String(+value.toPrecision(3)).replace("-", "−");
}

/** The sites: what the page's JSON says of each. */
class Sites {
  constructor(data) {
    this.data = data;
    this.count = data.x.length;
    this.cluster = data.colorings.find((one) => one.key === "cluster");
    this.state = data.states.length ? data.colorings.find((one) => one.key === "state") : null;
    this.others = data.labels.flatMap((_, row) => (data.states.includes(row) ? [] : [row]));
    this.columns = data.colorings.filter((one) => one.group === "column");
  }

  /** As browsers write it: 1-based, inclusive. */
  locus(i) {
    const { data } = this;
    return `${data.chroms[data.chrom[i]]}:${whole.format(data.start[i] + 1)}-${whole.format(data.end[i])}`;
  }

  /** The window that the network read, at UCSC. */
  ucsc(i) {
    const { data } = this;
    const start = Math.max(data.centre[i] - data.window / 2, 0);
    const position = `${data.chroms[data.chrom[i]]}:${start + 1}-${start + data.window}`;
    const query = new URLSearchParams({ db: data.ucsc, position });
    return `https://genome.ucsc.edu/cgi-bin/hgTracks?${query}`;
  }

  name(i) { return this.data.names[i] || ""; }

  /** Name, strand and cluster in a line. */
  about(i) {
    const { data, cluster } = this;
    return [this.name(i), data.strand[i] && `strand ${data.strand[i]}`, cluster.names[cluster.codes[i]]]
      .filter(Boolean).join(" · ");
  }

  valueText(one, i) {
    if (one.codes) return one.names[one.codes[i]];
    return short(one.values[i]);
  }

  /** Rows that overlap a locus; else the nearest of its contig, and how far that is. */
  atLocus(chrom, start, end) {
    const { data } = this;
    const rows = [];
    let nearest = -1, least = Infinity;
    for (let i = 0; i < this.count; i++) {
      if (data.chroms[data.chrom[i]].toLowerCase() !== chrom) continue;
      const gap = Math.max(data.start[i] - end, start - data.end[i] + 1, 0);
      if (data.start[i] < end && data.end[i] > start) rows.push(i);
      else if (gap < least) [nearest, least] = [i, gap];
    }
    return rows.length ? { rows, gap: 0 } : { rows: nearest < 0 ? [] : [nearest], gap: least };
  }

  /** Rows for what was typed: `chrI:1,001-2,000`, `chrI:1500`, `chrI`, BED columns, or a name. */
  search(text) {
    const typed = text.trim();
    if (!typed) return null;
    const locus = /^(\S+?)(?:[:\s]\s*([\d,]+)(?:\s*[-\s–]\s*([\d,]+))?)?$/.exec(typed);
    if (locus) {
      const chrom = locus[1].toLowerCase();
      if (this.data.chroms.some((name) => name.toLowerCase() === chrom)) {
        const number = (digits) => Number(digits.replaceAll(",", ""));
        if (!locus[2]) return this.atLocus(chrom, 0, Infinity);
        const first = number(locus[2]);
        return this.atLocus(chrom, first - 1, locus[3] ? Math.max(number(locus[3]), first) : first);
      }
    }
    const part = typed.toLowerCase();
    const rows = [];
    this.data.names.forEach((name, i) => { if (name.toLowerCase().includes(part)) rows.push(i); });
    return { rows, gap: 0 };
  }

  /** Name, bar and number of some outputs: three decimals where they are probabilities. */
  bars(rows, i) {
    const { labels, values } = this.data;
    return rows.flatMap((row) => {
      const bar = make("i", "");
      bar.style.width = `${Math.min(100, (100 * values[row][i]) / labels[row].top)}%`;
      bar.style.background = labels[row].color;
      return [
        make("dt", "", labels[row].name, { title: labels[row].title }),
        make("dd", "bar", bar),
        make("dd", "value", labels[row].top === 1 ? values[row][i].toFixed(3) : short(values[row][i])),
      ];
    });
  }

  /** What the pointer shows: the place, the state, and the strongest labels. */
  tip(i) {
    const { data, state } = this;
    const lines = [make("p", "where", this.locus(i)), make("p", "what", this.about(i))];
    if (state) {
      const code = state.codes[i], share = data.values[data.states[code]][i];
      lines.push(make("p", "what", [
        swatch(state.colors[code]), `${state.names[code]} ${state.titles[code]} (${share.toFixed(2)})`,
      ]));
    }
    const strength = (row) => data.values[row][i] / data.labels[row].top;
    const top = this.others.slice().sort((a, b) => strength(b) - strength(a)).slice(0, 4);
    if (top.length) lines.push(make("dl", "bars", this.bars(top, i)));
    return lines;
  }

  /** All that is known of a site, with ways to leave for it. */
  details(i, onCopy) {
    const { data } = this;
    const copy = make("button", "", "Copy locus", { type: "button" });
    copy.addEventListener("click", () => onCopy(i));
    const acts = [copy];
    if (data.ucsc) {
      acts.push(make("a", "", "Open at UCSC", { href: this.ucsc(i), target: "_blank", rel: "noopener" }));
    }
    const parts = [
      make("p", "where", this.locus(i)),
      make("p", "what", this.about(i)),
      make("div", "acts", acts),
    ];
    const bars = [];
    if (data.states.length) bars.push(make("dt", "head", "states"), ...this.bars(data.states, i));
    if (this.others.length) bars.push(make("dt", "head", "labels"), ...this.bars(this.others, i));
    parts.push(make("dl", "bars", bars));
    const columns = this.columns.filter((one) => one.key !== "name" && one.key !== "strand");
    if (columns.length) {
      parts.push(make("dl", "columns", columns.flatMap((one) =>
        [make("dt", "", one.title), make("dd", "", this.valueText(one, i))])));
    }
    return parts;
  }
}

/** The legend of a colouring of classes: each can be switched off, or all others. */
function classLegend(one, hidden, onChange) {
  const counts = new Array(one.names.length).fill(0);
  for (const code of one.codes) counts[code]++;
  const used = counts.flatMap((count, code) => (count ? [code] : []));
  const list = make("ul", "classes");
  const toggles = new Map();
  const show = () => {
    toggles.forEach((button, code) => button.setAttribute("aria-pressed", String(!hidden.has(code))));
    onChange();
  };
  const only = (codes) => {
    hidden.clear();
    used.forEach((code) => { if (!codes.includes(code)) hidden.add(code); });
    show();
  };
  for (const code of used) {
    const title = one.titles[code] && one.titles[code] !== one.names[code] ? ` ${one.titles[code]}` : "";
    const text = one.names[code] + title;
    const toggle = make("button", "toggle", [
      swatch(one.colors[code]), make("span", "text", text), make("span", "count", whole.format(counts[code])),
    ], { type: "button", title: text });
    toggle.addEventListener("click", () => {
      if (!hidden.delete(code)) hidden.add(code);
      show();
    });
    toggles.set(code, toggle);
    const alone = make("button", "only", "only", { type: "button", "aria-label": `Show ${text} only` });
    alone.addEventListener("click", () => only([code]));
    list.append(make("li", "", [toggle, alone]));
  }
  const all = make("button", "", "Show all", { type: "button" });
  all.addEventListener("click", () => only(used));
  const none = make("button", "", "Hide all", { type: "button" });
  none.addEventListener("click", () => only([]));
  toggles.forEach((button, code) => button.setAttribute("aria-pressed", String(!hidden.has(code))));
  return [list, make("div", "classes-all", [all, none])];
}

/** The legend of a colouring of numbers: its scale, and a least value to be shown. */
function valueLegend(one, least, scale, onChange) {
  const ramp = make("div", "ramp");
  ramp.style.background = `linear-gradient(to right, ${scale.join(",")})`;
  const slider = make("input", "", [], {
    type: "range", min: "0", max: "100", value: String(least), id: "least",
  });
  const text = make("span", "");
  const label = () => {
    const at = one.low + (slider.valueAsNumber / 100) * (one.high - one.low);
    text.textContent = slider.valueAsNumber ? `showing ${short(at)} and more` : "showing all";
  };
  slider.addEventListener("input", () => { label(); onChange(slider.valueAsNumber); });
  label();
  return [
    ramp,
    make("div", "ends", [make("span", "", short(one.low)), make("span", "", short(one.high))]),
    make("label", "least", [text, slider], { for: "least" }),
  ];
}
