"use strict";

/** The points on a canvas: where they lie, how they look, and which one is under the pointer. */
class MapView {
  constructor(canvas, xs, ys) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.xs = xs;
    this.ys = ys;
    this.count = xs.length;
    this.codes = new Uint16Array(this.count);
    this.order = Uint32Array.from(xs, (_, i) => i);
    this.visible = new Uint8Array(this.count).fill(1);
    this.palette = ["#888888"];
    this.rings = [];
    this.chosen = -1;
    this.hovered = -1;
    this.waiting = false;
    this.moved = false;
    this.disc = null;
    this.extent();
    this.index();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.disc = null;
      this.redraw();
    });
  }

  extent() {
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.count; i++) {
      x0 = Math.min(x0, this.xs[i]); x1 = Math.max(x1, this.xs[i]);
      y0 = Math.min(y0, this.ys[i]); y1 = Math.max(y1, this.ys[i]);
    }
    this.box = { x0, y0, wide: x1 - x0 || 1, tall: y1 - y0 || 1 };
  }

  /** Points by square cell, so that those near the pointer are found without looking at all. */
  index() {
    const cells = Math.max(1, Math.round(Math.sqrt(this.count / 4)));
    const { x0, y0, wide, tall } = this.box;
    this.cell = Math.max(wide, tall) / cells;
    this.columns = Math.floor(wide / this.cell) + 1;
    this.lines = Math.floor(tall / this.cell) + 1;
    const where = Uint32Array.from(this.xs, (x, i) =>
      Math.floor((this.ys[i] - y0) / this.cell) * this.columns + Math.floor((x - x0) / this.cell));
    this.first = new Uint32Array(this.columns * this.lines + 1);
    for (const cell of where) this.first[cell + 1]++;
    for (let c = 0; c < this.columns * this.lines; c++) this.first[c + 1] += this.first[c];
    const next = this.first.slice();
    this.members = new Uint32Array(this.count);
    where.forEach((cell, i) => { this.members[next[cell]++] = i; });
  }

  resize() {
    const { clientWidth: wide, clientHeight: tall } = this.canvas;
    if (!wide || !tall) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2.5);
    const before = this.wide;
    const middle = before && this.moved ? this.toData(this.wide / 2, this.tall / 2) : null;
    [this.wide, this.tall] = [wide, tall];
    this.canvas.width = Math.round(wide * this.ratio);
    this.canvas.height = Math.round(tall * this.ratio);
    this.disc = null;
    if (middle) this.centre(...middle, this.scale);
    else this.fit();
  }

  fit() {
    const { x0, y0, wide, tall } = this.box;
    this.whole = Math.min((this.wide - 70) / wide, (this.tall - 70) / tall);
    this.moved = false;
    this.centre(x0 + wide / 2, y0 + tall / 2, this.whole);
  }

  /** Pixels of a place of the data; the y axis points upwards. */
  toScreen(x, y) { return [x * this.scale + this.left, this.top - y * this.scale]; }

  toData(px, py) { return [(px - this.left) / this.scale, (this.top - py) / this.scale]; }

  centre(x, y, scale) {
    this.scale = Math.min(Math.max(scale, this.whole / 3), this.whole * 200);
    this.left = this.wide / 2 - x * this.scale;
    this.top = this.tall / 2 + y * this.scale;
    this.redraw();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.moved = true;
    this.redraw();
  }

  /** Zoom so that what lies under a pixel stays there. */
  zoom(factor, px = this.wide / 2, py = this.tall / 2) {
    const scale = Math.min(Math.max(this.scale * factor, this.whole / 3), this.whole * 200);
    const [x, y] = this.toData(px, py);
    this.scale = scale;
    this.left = px - x * scale;
    this.top = py + y * scale;
    this.moved = true;
    this.redraw();
  }

  /** Bring a point into view, near enough to tell it from its neighbours. */
  goTo(i) {
    this.moved = true;
    this.centre(this.xs[i], this.ys[i], Math.max(this.scale, this.whole * 3));
  }

  setColors(palette, codes, order) {
    this.palette = palette;
    this.codes = codes;
    this.order = order;
    this.disc = null;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.wide) this.draw();
    });
  }

  get radius() {
    const base = Math.min(Math.max(0.29 * Math.sqrt((this.wide * this.tall) / this.count), 1.3), 6);
    return Math.min(base * Math.pow(Math.max(this.scale / this.whole, 1), 0.3), 9);
  }

  /** A colour as red, green and blue, whatever way CSS wrote it. */
  rgb(color) {
    this.context.fillStyle = color;
    const text = this.context.fillStyle;
    return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
  }

  /**
   * The pixels of a disc: where they lie around its middle, how much of each it covers, and their
   * colour for each colour of the palette, with a rim that sets pale discs off from the page.
   */
  makeDisc(radius) {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const page = this.rgb(getComputedStyle(this.canvas).getPropertyValue("--card"));
    // A disc whose middle lies just outside still shows: the image has room for whole ones there.
    const r = radius * this.ratio, reach = Math.ceil(r) + 1, pad = 2 * reach;
    const width = this.canvas.width + 2 * pad, height = this.canvas.height + 2 * pad;
    const offsets = [], covers = [], rims = [];
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        const distance = Math.hypot(dx, dy);
        const cover = Math.min(Math.max(r + 0.5 - distance, 0), 1);
        if (cover < 0.02) continue;
        offsets.push(dy * width + dx);
        covers.push(Math.round(cover * 255));
        rims.push(Math.min(Math.max(distance - r + 0.5 + 0.7 * this.ratio, 0), 1) * (dark ? 0.2 : 0.3));
      }
    }
    const edge = dark ? 255 : 0;
    const pixels = this.palette.map((color) => {
      const parts = this.rgb(color);
      return Uint32Array.from(rims, (rim) => {
        const [red, green, blue] = parts.map((part) => Math.round(part + (edge - part) * rim));
        return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
      });
    });
    const image = new ImageData(width, height);
    this.disc = {
      radius, reach, pad, width, pixels, image,
      offsets: Int32Array.from(offsets),
      covers: Uint8Array.from(covers),
      page: ((255 << 24) | (page[2] << 16) | (page[1] << 8) | page[0]) >>> 0,
      buffer: new Uint32Array(image.data.buffer),
    };
  }

  /** All points into one image, pixel by pixel: several times faster than drawing 20,000 discs. */
  paint() {
    const { offsets, covers, pixels, buffer, page, reach, pad, width, image } = this.disc;
    const { xs, ys, codes, order, visible, ratio } = this;
    const [scale, left, top] = [this.scale * ratio, this.left * ratio, this.top * ratio];
    const right = this.canvas.width + reach, bottom = this.canvas.height + reach;
    buffer.fill(page);
    for (let at = 0; at < order.length; at++) {
      const i = order[at];
      if (!visible[i]) continue;
      const x = Math.round(xs[i] * scale + left), y = Math.round(top - ys[i] * scale);
      if (x < -reach || y < -reach || x > right || y > bottom) continue;
      const middle = (y + pad) * width + x + pad;
      const own = pixels[codes[i]];
      for (let k = 0; k < offsets.length; k++) {
        const place = middle + offsets[k], cover = covers[k], color = own[k];
        if (cover === 255) { buffer[place] = color; continue; }
        const below = buffer[place], rest = 255 - cover;
        const red = ((below & 255) * rest + (color & 255) * cover) / 255;
        const green = (((below >> 8) & 255) * rest + ((color >> 8) & 255) * cover) / 255;
        const blue = (((below >> 16) & 255) * rest + ((color >> 16) & 255) * cover) / 255;
        buffer[place] = (255 << 24) | (blue << 16) | (green << 8) | red;
      }
    }
    this.context.putImageData(image, -pad, -pad);
  }

  draw() {
    const radius = this.radius;
    if (!this.disc || Math.abs(this.disc.radius - radius) > 0.1) this.makeDisc(radius);
    this.paint();
    const { context: pen, ratio, canvas } = this;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const style = getComputedStyle(canvas);
    const ink = style.getPropertyValue("--ink"), page = style.getPropertyValue("--card");
    for (const i of this.rings) this.ring(i, radius + 2.5, 1.4, ink, page);
    if (this.hovered >= 0) this.ring(this.hovered, radius + 2, 1.6, ink, page);
    if (this.chosen >= 0) this.ring(this.chosen, radius + 4, 2.6, ink, page);
  }

  ring(i, radius, width, ink, page) {
    const pen = this.context;
    const [x, y] = this.toScreen(this.xs[i], this.ys[i]);
    for (const [color, more] of [[page, 2], [ink, 0]]) {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.lineWidth = width + more;
      pen.strokeStyle = color;
      pen.stroke();
    }
  }

  /** The visible point nearest to a pixel, or -1 where none is within reach. */
  pick(px, py) {
    const reach = this.radius + 5;
    const { x0, y0 } = this.box;
    const [x, y] = this.toData(px, py);
    const far = reach / this.scale;
    const cut = (value, most) => Math.min(Math.max(value, 0), most);
    const c0 = cut(Math.floor((x - far - x0) / this.cell), this.columns - 1);
    const c1 = cut(Math.floor((x + far - x0) / this.cell), this.columns - 1);
    const l0 = cut(Math.floor((y - far - y0) / this.cell), this.lines - 1);
    const l1 = cut(Math.floor((y + far - y0) / this.cell), this.lines - 1);
    let best = -1, least = far * far;
    for (let line = l0; line <= l1; line++) {
      for (let column = c0; column <= c1; column++) {
        const cell = line * this.columns + column;
        for (let at = this.first[cell]; at < this.first[cell + 1]; at++) {
          const i = this.members[at];
          const distance = (this.xs[i] - x) ** 2 + (this.ys[i] - y) ** 2;
          if (this.visible[i] && distance < least) [best, least] = [i, distance];
        }
      }
    }
    return best;
  }
}

/** Lets the pointer, the wheel, two fingers and the keyboard move a view. */
function moveByHand(view, onHover, onClick) {
  const { canvas } = view;
  const down = new Map();
  let travelled = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    if (!down.size) travelled = 0;
    down.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    const before = down.get(event.pointerId);
    if (!before) { onHover(view.pick(x, y), x, y); return; }
    const other = [...down].find(([id]) => id !== event.pointerId);
    travelled += Math.hypot(x - before[0], y - before[1]);
    if (other) {
      const [ox, oy] = other[1];
      const was = Math.hypot(before[0] - ox, before[1] - oy);
      if (was > 0) view.zoom(Math.hypot(x - ox, y - oy) / was, (x + ox) / 2, (y + oy) / 2);
    } else if (travelled > 4) {
      onHover(-1, x, y);
      canvas.classList.add("moving");
      view.pan(x - before[0], y - before[1]);
    }
    down.set(event.pointerId, [x, y]);
  });
  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    canvas.classList.remove("moving");
    if (event.type === "pointerup" && !down.size && travelled <= 4) {
      const [x, y] = place(event);
      onClick(view.pick(x, y), event);
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => onHover(-1, 0, 0));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 33 : 1;
    view.zoom(Math.exp(-event.deltaY * lines * 0.0016), ...place(event));
  }, { passive: false });
  const keys = {
    ArrowLeft: () => view.pan(60, 0), ArrowRight: () => view.pan(-60, 0),
    ArrowUp: () => view.pan(0, 60), ArrowDown: () => view.pan(0, -60),
    "+": () => view.zoom(1.4), "=": () => view.zoom(1.4), "-": () => view.zoom(1 / 1.4),
    0: () => view.fit(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}
