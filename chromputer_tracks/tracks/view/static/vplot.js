// The V-plot of what is in view: fragments by the place of their middles and by their lengths, or
// what they contribute to a label. The server counts; colours, scales and smoothing are those of
// `chromputer vplot`.

import { ask, locusOf, rested } from "./ask.js";
import { NO_VALUE, sequential, signed } from "./colors.js";

const at = (id) => document.getElementById(id);
const PAUSE = 120; // ms without a move before the server is asked
const AGAIN = 500; // ms until it is asked again while it reads
const NUCLEOSOME = 147; // bp of DNA around a nucleosome
const KINDS = {
  fragments: {
    path: "vplot", color: sequential, gamma: 0.5, top: 99.7, factor: 100, perArea: true,
    unit: "fragments in 10 bp × 10 bp",
  },
  contributions: {
    path: "contributions", color: signed, gamma: 1, top: 99, factor: 1000, perArea: false,
    unit: "contribution to the logit (× 10⁻³)",
  },
};
const INK = "#1f2328";
const MUTED = "#59636e";
const MARGIN = { left: 56, right: 14, top: 8, bottom: 44 };
const BAR = { height: 10, below: 38 };

// ---- Values as they are drawn.

// Counts to densities where they grow with a pixel's size, then smoothed; null: no value.
export function drawnValues({ rows, edges, bin }, kind, smooth) {
  const { perArea } = KINDS[kind];
  const values = rows.map((row, i) => {
    const area = perArea ? (edges[i + 1] - edges[i]) * bin : 1;
    return row.map((value) => (value === null ? null : value / area));
  });
  return smooth ? smoothed(values) : values;
}

// A Gaussian of one pixel along both axes, cut at four; what has no value does not count for others.
function smoothed(values) {
  const known = values.map((row) => row.map((value) => (value === null ? 0 : 1)));
  const sums = blurred(values.map((row) => row.map((value) => value ?? 0)));
  const weights = blurred(known);
  return sums.map((row, i) => row.map((sum, j) => (known[i][j] ? sum / weights[i][j] : null)));
}

const RADIUS = 4;
const GAUSS = Array.from({ length: 2 * RADIUS + 1 }, (_, i) => Math.exp(-((i - RADIUS) ** 2) / 2));
const GAUSS_SUM = GAUSS.reduce((sum, value) => sum + value, 0);

function blurred(rows) {
  return transposed(alongRows(transposed(alongRows(rows))));
}

function alongRows(rows) {
  return rows.map((row) =>
    row.map((_, j) =>
      GAUSS.reduce((sum, weight, k) => {
        const place = Math.min(row.length - 1, Math.max(0, j + k - RADIUS));
        return sum + weight * row[place];
      }, 0) / GAUSS_SUM,
    ),
  );
}

const transposed = (rows) => rows[0].map((_, j) => rows.map((row) => row[j]));

// Where the scale ends: a percentile of all pixels, so that a few do not darken the others.
export function scaleTop(values, kind) {
  const sizes = [0, ...values.flat().filter((value) => value !== null).map(Math.abs)];
  sizes.sort((one, other) => one - other);
  const place = ((sizes.length - 1) * KINDS[kind].top) / 100;
  const low = Math.floor(place);
  const between = (sizes[low + 1] ?? sizes[low]) - sizes[low];
  return sizes[low] + between * (place - low) || sizes.at(-1) || 1;
}

function colorOf(value, top, kind) {
  if (value === null) {
    return NO_VALUE;
  }
  const { color, gamma } = KINDS[kind];
  return color(color === signed ? (value / top + 1) / 2 : Math.max(0, value / top) ** gamma);
}

// ---- The panel.

// live: what the server offers. Answers a function to be called when the browser has moved.
export function vplotPanel(browser, live) {
  const sources = [
    ...live.fragments.map((item, place) => ({ kind: "fragments", place, ...item })),
    ...live.contributions.map((name, place) => ({ kind: "contributions", place, name })),
  ];
  const canvas = at("vplot-image");
  let asked = 0;
  let shown = null;

  sources.forEach(({ kind, name }, i) => {
    const option = document.createElement("option");
    option.value = i;
    option.textContent = kind === "fragments" ? `${name} fragments` : `contributions to ${name}`;
    at("vplot-source").append(option);
  });

  function tell(text) {
    shown = null;
    at("vplot-note").textContent = text;
    canvas.hidden = true;
    globalThis.chromputerPanel = { note: text };
  }

  async function follow() {
    const source = sources[Number(at("vplot-source").value)];
    const place = locusOf(browser);
    if (!source) {
      tell("Nothing to show: the runs have neither fragments nor explained V-plots.");
      return;
    }
    if (source.missing) {
      tell(`No V-plot of ${source.name}: ${source.missing}.`);
      return;
    }
    if (!place || place.end - place.start > live.most) {
      tell(`Zoom in to at most ${live.most / 1000} kb to see the V-plot.`);
      return;
    }
    const number = ++asked;
    const answer = await ask(KINDS[source.kind].path, { source: source.place, ...place });
    if (number !== asked) {
      return; // another place has been asked for since
    }
    if (answer.wait) {
      tell(answer.wait);
      later(AGAIN);
    } else if (answer.message) {
      tell(answer.message);
    } else if (answer.explained === false) {
      tell(`${source.name} was not explained in what is in view: step through its sites above.`);
    } else {
      shown = { ...answer, kind: source.kind };
      paint();
    }
  }

  const later = rested(() => follow().catch((error) => tell(`No V-plot: ${error.message}`)), PAUSE);

  function paint() {
    if (!shown) return;
    canvas.hidden = false;
    const values = drawnValues(shown, shown.kind, at("vplot-smooth").checked);
    const top = scaleTop(values, shown.kind);
    const box = draw(canvas, shown, values, top);
    const what =
      shown.kind === "fragments"
        ? `${shown.total.toLocaleString("en")} fragment${shown.total === 1 ? "" : "s"}`
        : "sum over the pixel";
    at("vplot-note").textContent = `${what} · pixels of ${shown.bin} bp`;
    canvas.setAttribute(
      "aria-label",
      `V-plot of ${shown.chrom}:${shown.start + 1}-${shown.end}: ${at("vplot-note").textContent}`,
    );
    globalThis.chromputerPanel = { ...shown, values, top, box };
  }

  canvas.addEventListener("mousemove", (event) => {
    const { box, edges, rows, start, bin, kind } = globalThis.chromputerPanel;
    const column = Math.floor(((event.offsetX - box.left) / box.width) * rows[0].length);
    const length = edges[0] + ((box.top + box.height - event.offsetY) / box.height) * (edges.at(-1) - edges[0]);
    const row = edges.findIndex((edge, i) => edge <= length && length < edges[i + 1]);
    if (column < 0 || column >= rows[0].length || row < 0) return;
    const from = start + column * bin;
    const value = rows[row][column];
    const told = value === null ? "not explained" : kind === "fragments" ? value : value.toPrecision(3);
    at("vplot-note").textContent =
      `${(from + 1).toLocaleString("en")}–${(from + bin).toLocaleString("en")}, ` +
      `${edges[row]}–${edges[row + 1] - 1} bp long: ${told}`;
  });
  canvas.addEventListener("mouseleave", paint);
  at("vplot-source").addEventListener("change", () => later(0));
  at("vplot-smooth").addEventListener("change", paint);
  new ResizeObserver(paint).observe(canvas.parentElement);
  return () => later();
}

// ---- Drawing: the image, its axes and its scale.

function draw(canvas, { chrom, start, end, edges, kind, rows }, values, top) {
  const width = canvas.parentElement.clientWidth;
  const height = Math.round(Math.min(420, Math.max(240, width * 0.85)));
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const box = {
    left: MARGIN.left,
    top: MARGIN.top,
    width: width - MARGIN.left - MARGIN.right,
    height: height - MARGIN.top - MARGIN.bottom - BAR.height - BAR.below,
  };
  const x = (position) => box.left + ((position - start) / (end - start)) * box.width;
  const y = (length) =>
    box.top + box.height * (1 - (length - edges[0]) / (edges.at(-1) - edges[0]));

  const image = imageOf(values, (value) => colorOf(value, top, kind));
  pen.imageSmoothingEnabled = false;
  for (let row = 0; row < rows.length; row += 1) {
    const [high, low] = [y(edges[row + 1]), y(edges[row])];
    pen.drawImage(image, 0, row, image.width, 1, box.left, high, box.width, low - high);
  }

  const style = getComputedStyle(canvas);
  pen.font = `12px ${style.fontFamily}`;
  pen.lineWidth = 1;
  pen.strokeStyle = kind === "fragments" ? "#ffffff80" : "#0006";
  pen.setLineDash([4, 4]);
  line(pen, box.left, y(NUCLEOSOME), box.left + box.width, y(NUCLEOSOME));
  pen.setLineDash([]);

  pen.strokeStyle = MUTED;
  pen.fillStyle = INK;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (let length = 100; length <= edges.at(-1); length += 100) {
    line(pen, box.left - 5, y(length), box.left, y(length));
    pen.fillText(String(length), box.left - 8, y(length));
  }
  pen.textAlign = "center";
  pen.textBaseline = "top";
  const under = box.top + box.height;
  for (const { position, text } of ticks(start, end, box.width)) {
    line(pen, x(position), under, x(position), under + 5);
    fillInside(pen, text, x(position), under + 8, box);
  }
  pen.fillStyle = MUTED;
  pen.fillText(`${chrom} (${end - start > 2000 ? "kb" : "bp"})`, box.left + box.width / 2, under + 25);
  pen.save();
  pen.translate(10, box.top + box.height / 2);
  pen.rotate(-Math.PI / 2);
  pen.textBaseline = "middle";
  pen.fillText("fragment length (bp)", 0, 0);
  pen.restore();
  drawScale(pen, box, under + MARGIN.bottom, top, kind);
  return box;
}

function imageOf(values, color) {
  const image = document.createElement("canvas");
  image.width = values[0].length;
  image.height = values.length;
  const pen = image.getContext("2d");
  const data = pen.createImageData(image.width, image.height);
  values.flat().forEach((value, i) => data.data.set([...color(value), 255], i * 4));
  pen.putImageData(data, 0, 0);
  return image;
}

// Centred, but for what would leave the picture.
function fillInside(pen, text, x, y, box) {
  const half = pen.measureText(text).width / 2;
  pen.fillText(text, Math.min(x, box.left + box.width + MARGIN.right - half), y);
}

function line(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

// Round positions, as many as there is room for.
function ticks(start, end, width) {
  const kb = end - start > 2000;
  const least = ((end - start) * (kb ? 60 : 80)) / width;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = Math.max(1, [1, 2, 5, 10].map((times) => times * power).find((size) => size >= least));
  const digits = kb ? Math.max(0, 3 - Math.floor(Math.log10(step))) : 0;
  const found = [];
  for (let position = Math.ceil(start / step) * step; position <= end; position += step) {
    const value = kb ? position / 1000 : position;
    const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    found.push({ position, text: value.toLocaleString("en", shown) });
  }
  return found;
}

function drawScale(pen, box, above, top, kind) {
  const { color, gamma, factor, unit } = KINDS[kind];
  const both = color === signed;
  for (let i = 0; i < box.width; i += 1) {
    pen.fillStyle = `rgb(${color((i + 0.5) / box.width).join(" ")})`;
    pen.fillRect(box.left + i, above, 1.5, BAR.height);
  }
  const end = top * factor;
  const values = both
    ? [-roundedDown(end, 2), -roundedDown(end / 2, 1), 0, roundedDown(end / 2, 1), roundedDown(end, 2)]
    : [0, ...[1 / 3, 2 / 3].map((place) => roundedDown(end * place ** (1 / gamma), 1)), roundedDown(end, 2)];
  pen.fillStyle = INK;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const value of values) {
    const share = both ? (value / end + 1) / 2 : (value / end) ** gamma;
    const place = box.left + share * box.width;
    line(pen, place, above + BAR.height, place, above + BAR.height + 3);
    fillInside(pen, plain(value), place, above + BAR.height + 5, box);
  }
  pen.fillStyle = MUTED;
  pen.fillText(unit, box.left + box.width / 2, above + BAR.height + 21);
}

const plain = (value) => String(Number(value.toPrecision(2))).replace("-", "−");

// Cut towards 0 to some significant digits.
function roundedDown(value, digits) {
  if (!value) return 0;
  const step = 10 ** (Math.floor(Math.log10(Math.abs(value))) - digits + 1);
  return Number((Math.floor(value / step + 1e-9) * step).toPrecision(digits));
}
