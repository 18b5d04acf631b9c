// V-plots: an image of pixels inside an SVG, whose axes and texts take the page's colours.
const data = JSON.parse(document.getElementById("quiz-data").textContent);
const columns = data.window / data.bin;
const rows = data.edges.length - 1;
const shortest = data.edges[0];
const longest = data.edges[rows];

const namespace = document.getElementById("svg").namespaceURI;

function bytes(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

const colors = bytes(data.colors);
const color = (level) => Array.from(colors.subarray(3 * level, 3 * level + 3));

// ---- elements ----

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes = {}, text = "") {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// ---- numbers ----

// Fragments of each pixel, from the steps between them.
function pixels(picture) {
  const counts = new Float32Array(rows * columns);
  let at = 0;
  for (const step of picture.steps) {
    at += step;
    counts[at] += 1;
  }
  return counts;
}

// A Gaussian of sigmas in pixels, along the positions and the lengths.
function blurred(values, sigmas) {
  const along = (from, sigma, size, step, other, jump) => {
    const reach = Math.ceil(3 * sigma);
    const weights = Array.from({ length: 2 * reach + 1 }, (_, k) =>
      Math.exp(-((k - reach) ** 2) / (2 * sigma ** 2)));
    const into = new Float32Array(from.length);
    for (let line = 0; line < other; line++) {
      for (let at = 0; at < size; at++) {
        let sum = 0;
        for (let k = -reach; k <= reach; k++) {
          const near = at + k;
          if (near >= 0 && near < size) sum += weights[k + reach] * from[line * jump + near * step];
        }
        into[line * jump + at * step] = sum;
      }
    }
    return into;
  };
  const across = along(values, sigmas[0], columns, 1, rows, columns);
  return along(across, sigmas[1], rows, columns, columns, 1);
}

// ---- images ----

function canvas(width, height) {
  const made = element("canvas", { width, height });
  return [made, made.getContext("2d")];
}

// One pixel a value, the shortest fragments at the bottom.
function raster(levels) {
  const [image, context] = canvas(columns, rows);
  const pixel = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [red, green, blue] = color(levels[row * columns + column]);
      pixel.data.set([red, green, blue, 255], 4 * ((rows - 1 - row) * columns + column));
    }
  }
  context.putImageData(pixel, 0, 0);
  return image;
}

function smoothed(counts) {
  const values = blurred(counts, [3.5, 1.5]);
  const top = Math.max(...values) || 1;
  return raster(values.map((value) => Math.round(255 * Math.sqrt(value / top)))).toDataURL();
}

function dots(counts, [width, height]) {
  const [image, context] = canvas(2 * width, 2 * height);
  context.fillStyle = `rgb(${color(12)})`;
  context.fillRect(0, 0, image.width, image.height);
  const [wide, high] = [image.width / columns, image.height / rows];
  const radius = Math.max(3.2, 0.42 * high);
  for (const many of [1, 2, 3]) {
    context.fillStyle = `rgb(${color([0, 165, 210, 250][many])})`;
    counts.forEach((count, at) => {
      if (Math.min(count, 3) !== many) return;
      const row = Math.floor(at / columns);
      context.beginPath();
      context.arc((at % columns + 0.5) * wide, image.height - (row + 0.5) * high, radius, 0, 7);
      context.fill();
    });
  }
  return image.toDataURL();
}

// Contributions of the network's own pixels: orange for, blue against.
function contributions(levels, edges, [width, height]) {
  const [image, context] = canvas(2 * width, 2 * height);
  context.fillStyle = `rgb(${color(12)})`;
  context.fillRect(0, 0, image.width, image.height);
  const across = levels.length / (edges.length - 1);
  const wide = image.width / across;
  const y = (length) => image.height * (1 - (length - shortest) / (longest - shortest));
  levels.forEach((level, at) => {
    if (!level) return;
    const row = Math.floor(at / across);
    const [from, to] = [Math.max(edges[row], shortest), Math.min(edges[row + 1], longest)];
    if (from >= to) return;
    const strength = Math.sqrt(Math.abs(level) / 127);
    context.fillStyle = level > 0 ? `rgb(255 170 40 / ${strength})` : `rgb(86 180 255 / ${strength})`;
    context.fillRect((at % across) * wide - 1, y(to), wide + 2, y(from) - y(to));
  });
  return image.toDataURL();
}

// ---- the plot ----

const sizes = {
  large: { area: [560, 300], ticks: 5, axes: true },
  phone: { area: [320, 230], ticks: 3, axes: true },
  medium: { area: [420, 190], ticks: 5 },
  small: { area: [210, 110], ticks: 3 },
  tiny: { area: [150, 84], ticks: 0 },
};
const narrow = window.matchMedia("(max-width: 44rem)");
const full = () => (narrow.matches ? sizes.phone : sizes.large);

// image: a data URL; counts: for the profiles, or null.
function plot(image, size, description, counts = null) {
  const [width, height] = size.area;
  const margin = {
    left: size.axes ? 54 : size.ticks ? 32 : 1, right: size.axes ? 62 : size.ticks ? 8 : 1,
    top: counts ? 64 : size.ticks ? 8 : 1, bottom: size.axes ? 44 : size.ticks ? 20 : 1,
  };
  const svg = drawn("svg", {
    viewBox: `0 0 ${margin.left + width + margin.right} ${margin.top + height + margin.bottom}`,
    class: "plot", role: "img", "aria-label": description,
  });
  const x = (bp) => margin.left + width * (bp / data.window + 0.5);
  const y = (length) => margin.top + height * (1 - (length - shortest) / (longest - shortest));
  const line = (x1, y1, x2, y2, kind) => svg.append(drawn("line", { x1, y1, x2, y2, class: kind }));
  const text = (across, down, words, anchor, more = { class: "tick" }) =>
    svg.append(drawn("text", { x: across, y: down, "text-anchor": anchor, ...more }, words));
  svg.append(drawn("image", {
    href: image, x: margin.left, y: margin.top, width, height, preserveAspectRatio: "none",
  }));
  line(x(0), margin.top, x(0), margin.top + height, "site");
  for (const length of [147, 294]) {
    if (length > shortest && length < longest) {
      line(margin.left, y(length), margin.left + width, y(length), "nucleosome");
    }
  }
  const steps = Math.max(0, size.ticks - 1);
  for (let k = 0; steps && k <= steps; k++) {
    const bp = Math.round(data.window * (k / steps - 0.5));
    const words = bp === 0 ? "0" : (bp < 0 ? "−" : "+") + Math.abs(bp).toLocaleString("en");
    text(x(bp), margin.top + height + 15, words, k === 0 ? "start" : k === steps ? "end" : "middle");
  }
  for (let length = 100; steps && length <= longest; length += 100) {
    if (length >= shortest) text(margin.left - 6, y(length) + 4, length, "end");
  }
  if (size.axes) {
    const middle = margin.top + height / 2;
    text(margin.left + width / 2, margin.top + height + 36, "fragment's middle, bp from the site",
      "middle", { class: "axis" });
    text(14, middle, "fragment length, bp", "middle",
      { class: "axis", transform: `rotate(-90 14 ${middle})` });
  }
  if (counts) {
    const [most, widest, bin] = profiles(svg, counts, margin, width, height);
    const [edge, below] = [margin.left + width + 4, margin.top + height];
    text(margin.left, 11, `fragments in ${bin} bp, up to ${most}`, "start");
    text(edge, below + 15, `up to ${widest}`, "start");
    text(edge, below + 29, `in ${data.edges[1] - data.edges[0]} bp`, "start");
  }
  return svg;
}

// Sums over lengths (above) and positions (right), in steps; gives the largest of each, and bp of the
// first's steps.
function profiles(svg, counts, margin, width, height) {
  const bin = Math.max(1, Math.round(columns / 50));
  const above = new Float32Array(Math.ceil(columns / bin));
  const right = new Float32Array(rows);
  counts.forEach((count, at) => {
    above[Math.floor((at % columns) / bin)] += count;
    right[Math.floor(at / columns)] += count;
  });
  const [high, wide] = [margin.top - 22, margin.right - 8];
  const base = margin.top - 4;
  const most = Math.max(...above) || 1;
  let path = `M${margin.left},${base}`;
  above.forEach((sum, k) => {
    const to = margin.left + width * Math.min(1, ((k + 1) * bin) / columns);
    path += `V${base - (sum / most) * high}H${to}`;
  });
  svg.append(drawn("path", { d: `${path}V${base}Z`, class: "profile" }));
  const edge = margin.left + width + 4;
  const widest = Math.max(...right) || 1;
  path = `M${edge},${margin.top + height}`;
  right.forEach((sum, k) => {
    path += `H${edge + (sum / widest) * wide}V${margin.top + height * (1 - (k + 1) / rows)}`;
  });
  svg.append(drawn("path", { d: `${path}H${edge}Z`, class: "profile" }));
  return [Math.max(...above), Math.max(...right), bin * data.bin];
}

function sitePlot(picture, description, smooth) {
  const counts = pixels(picture);
  const size = full();
  return plot(smooth ? smoothed(counts) : dots(counts, size.area), size, description, counts);
}

function examplePlot(picture, description) {
  return plot(dots(pixels(picture), sizes.tiny.area), sizes.tiny, description);
}

function meanPlot(lesson, size, description) {
  return plot(raster(bytes(lesson.mean)).toDataURL(), size, description);
}

function seenPlot(seen, description) {
  const levels = new Int8Array(bytes(seen.pixels).buffer);
  const size = full();
  return plot(contributions(levels, data.seen.edges, size.area), size, description);
}
