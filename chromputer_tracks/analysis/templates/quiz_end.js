// The summary: scores with intervals, both confusions, every question.
const percent = (share) => `${(100 * share).toFixed(0)} %`;

// 95 % interval of a share after Wilson (1927), doi:10.1080/01621459.1927.10502953.
function wilson(right, of) {
  const z = 1.959964;
  const share = right / of;
  const middle = (share + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z / (1 + (z * z) / of)) * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

function table(caption, header, lines, kind = "number") {
  const head = element("tr", {}, ...header.map((name, at) =>
    element("th", at ? { scope: "col", class: kind } : { scope: "col" }, name)));
  const body = lines.map(([first, ...rest]) => element("tr", {},
    element("th", { scope: "row" }, first),
    ...rest.map((cell) => element("td", { class: kind }, cell))));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, element("span", {}, caption)),
      element("thead", {}, head), element("tbody", {}, ...body)));
}

// A dot with its interval on an axis from 0 to 1; a tick at chance.
function strip(value, low, high, chance) {
  const svg = drawn("svg", { viewBox: "0 0 108 16", class: "strip", width: 108, height: 16, "aria-hidden": "true" });
  const x = (share) => 4 + 100 * share;
  svg.append(
    drawn("line", { class: "axis", x1: 4, x2: 104, y1: 8, y2: 8 }),
    drawn("line", { class: "range", x1: x(low), x2: x(high), y1: 8, y2: 8 }),
    drawn("line", { class: "mark", x1: x(chance), x2: x(chance), y1: 2, y2: 14 }),
    drawn("circle", { class: "dot", cx: x(value), cy: 8, r: 3.6 }),
  );
  return svg;
}

function scoreTable(answers) {
  const of = answers.length;
  const chance = 1 / data.choices;
  const line = (name, key) => {
    const right = answers.filter((item) => item[key] === item.truth).length;
    const [low, high] = wilson(right, of);
    return [name, `${right} of ${of}`, percent(right / of), `${percent(low)} to ${percent(high)}`,
      strip(right / of, low, high, chance)];
  };
  const all = data.score;
  const lines = [
    line("You", "human"),
    line("Network", "model"),
    line("Most common answer", "commonest"),
    ["Network, all sites", `of ${all.sites.toLocaleString("en")}`,
      percent(all.value), `${percent(all.low)} to ${percent(all.high)}`,
      strip(all.value, all.low, all.high, chance)],
  ];
  return table(
    `Right answers, with 95 % intervals; by chance ${percent(chance)} would be right (the tick). ` +
    `${of} questions say little; the last line is the network on all sites that could have been ` +
    "asked, every class counting the same.",
    ["", "right", "share", "95 % interval", "0 to 100 %"], lines);
}

function confusion(caption, answers, key) {
  const counts = new Map(data.offered.map((code) => [code, new Map()]));
  for (const item of answers) {
    const row = counts.get(item.truth);
    row.set(item[key], (row.get(item[key]) || 0) + 1);
  }
  const lines = data.offered.map((truth) => [
    swatched(truth),
    ...data.offered.map((code) => {
      const many = counts.get(truth).get(code) || 0;
      return many ? element("span", { class: code === truth ? "hit" : "miss" }, String(many)) : "";
    }),
  ]);
  return table(caption, ["truth", ...data.offered.map((code) => data.classes[code].name)], lines);
}

function swatched(code) {
  const { name, title, color: shade } = data.classes[code];
  return element("span", { class: "class" },
    element("span", { class: "swatch", style: `background:${shade}` }), name,
    ...(title && title !== name ? [" ", element("span", { class: "note" }, title)] : []));
}

function verdict(human, model) {
  if (human > model) return "You beat the network";
  return human === model ? "A draw with the network" : "The network wins";
}

function shareLine(answers) {
  const right = (key) => answers.filter((item) => item[key] === item.truth).length;
  const marks = answers.map((item) => (item.human === item.truth ? "🟩" : "⬜")).join("");
  return `AI vs. human, ${data.title} from V-plots (${data.model}): I ${right("human")}, ` +
    `network ${right("model")}, always the most common ${right("commonest")} of ${answers.length} ${marks}`;
}

function summary(answers) {
  const name = (code) => data.classes[code].name;
  const list = answers.map((item, at) => [
    String(at + 1), item.site, name(item.truth),
    `${name(item.human)} ${item.human === item.truth ? "✓" : "✗"}`,
    `${name(item.model)} ${item.model === item.truth ? "✓" : "✗"}`,
  ]);
  return [
    scoreTable(answers),
    element("div", { class: "pair" },
      confusion("Your answers, by the truth", answers, "human"),
      confusion("The network's answers, by the truth", answers, "model")),
    element("details", {}, element("summary", {}, "All questions"),
      table("Every site, the truth and both answers", ["", "site", "truth", "you", "network"], list,
        "text")),
    element("details", {}, element("summary", {}, "How well the network knows each class"),
      table("Share of right answers on all sites that could have been asked",
        ["", "sites", "right"], data.offered.map((code, k) =>
          [swatched(code), data.score.eligible[k].toLocaleString("en"), percent(data.score.recall[k])]))),
  ];
}
