// The photo, the mask over it and what the hand holds, on three canvases of the screen's own pixels, of which only those
// are drawn anew that differ. Nothing is read back from them: this is a picture of the mask, never the mask.

const TILE = 256; // outlines are kept by tile, so that a stroke draws few of them anew
const OBJECT = [255, 122, 26];
const LINE = "#35d0ff";
const BEFORE = "#ffd24a";
export const STYLES = ["outline", "tint", "cut-out"];

export class View {
  constructor(stage) {
    this.stage = stage;
    this.canvases = ["photo", "mask", "hand"].map((id) => stage.querySelector(`#${id}`));
    this.drawn = ["", ""]; // what the photo and the mask were last drawn with
    this.version = 0; // of what there is to draw
    this.layer = document.createElement("canvas");
    this.photo = this.mask = this.shown = null;
    this.style = "outline";
    this.before = null; // the mask that is shown instead of the one under work
    this.areas = [];
    this.area = 0;
    this.cursor = null; // {x, y, size}: the brush's outline
    this.path = []; // corners of the polygon under way
    this.zoom = 1;
    this.x = this.y = 0; // of the photo's corner on the stage, CSS pixels
    this.pending = false;
    new ResizeObserver(() => this.resize()).observe(stage);
    addEventListener("resize", () => this.resize()); // another scale of the display is no other size
  }

  open(photo, mask, areas) {
    [this.photo, this.mask, this.areas, this.area, this.path, this.before] = [photo, mask, areas, 0, [], null];
    this.drawn = ["", ""];
    this.last = null; // where the last stroke ended
    [this.layer.width, this.layer.height] = [mask.width, mask.height];
    this.resize();
    this.changed([0, 0, mask.width, mask.height]);
    this.goTo(0);
  }

  resize() {
    const ratio = window.devicePixelRatio;
    this.version++;
    for (const canvas of this.canvases) {
      canvas.width = Math.round(this.stage.clientWidth * ratio);
      canvas.height = Math.round(this.stage.clientHeight * ratio);
    }
    this.draw();
  }

  // Show the largest disputed area, or another one: whole if it fits, never smaller than the photo's own pixels.
  goTo(number) {
    if (!this.areas.length) return this.whole();
    this.area = (number + this.areas.length) % this.areas.length;
    const [left, top, width, height] = this.areas[this.area];
    const [w, h] = [this.stage.clientWidth, this.stage.clientHeight];
    const fits = Math.min(w / (width * 1.6 + 24), h / (height * 1.6 + 24));
    this.zoom = Math.min(8, Math.max(1, Math.floor(fits * 4) / 4));
    this.x = w / 2 - (left + width / 2) * this.zoom;
    this.y = h / 2 - (top + height / 2) * this.zoom;
    this.draw();
  }

  whole() {
    const [w, h] = [this.stage.clientWidth, this.stage.clientHeight];
    this.zoom = Math.min((w - 32) / this.mask.width, (h - 32) / this.mask.height, 8);
    this.x = (w - this.mask.width * this.zoom) / 2;
    this.y = (h - this.mask.height * this.zoom) / 2;
    this.draw();
  }

  zoomBy(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const zoom = Math.min(40, Math.max(0.05, this.zoom * factor));
    this.x = x - ((x - this.x) * zoom) / this.zoom;
    this.y = y - ((y - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.draw();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  // The point of the photo under a point of the window, in its pixels, with a fraction.
  point(event) {
    const box = this.stage.getBoundingClientRect();
    const [left, top] = this.corner();
    return [(event.clientX - box.left - left) / this.zoom, (event.clientY - box.top - top) / this.zoom];
  }

  // The part of the photo that is on the stage: [left, top, right, bottom].
  visible() {
    const [left, top] = this.corner();
    const [w, h] = [this.stage.clientWidth, this.stage.clientHeight];
    return [
      Math.floor(-left / this.zoom),
      Math.floor(-top / this.zoom),
      Math.ceil((w - left) / this.zoom),
      Math.ceil((h - top) / this.zoom),
    ];
  }

  // The photo's corner lies on a pixel of the screen, in drawing and in pointing alike.
  corner() {
    const ratio = window.devicePixelRatio;
    return [Math.round(this.x * ratio) / ratio, Math.round(this.y * ratio) / ratio];
  }

  changed([left, top, right, bottom]) {
    if (right <= left || bottom <= top) return;
    this.version++;
    const shown = this.before ?? this.mask.pixels;
    const image = new ImageData(right - left, bottom - top);
    const words = new Uint32Array(image.data.buffer);
    const colour = (255 << 24) | (OBJECT[2] << 16) | (OBJECT[1] << 8) | OBJECT[0];
    for (let y = top, n = 0; y < bottom; y++)
      for (let i = y * this.mask.width + left; i < y * this.mask.width + right; i++, n++) if (shown[i]) words[n] = colour;
    this.layer.getContext("2d").putImageData(image, left, top);
    if (right - left === this.mask.width && bottom - top === this.mask.height) this.tiles = new Map();
    for (let row = Math.floor((top - 1) / TILE); row <= Math.floor(bottom / TILE); row++)
      for (let column = Math.floor((left - 1) / TILE); column <= Math.floor(right / TILE); column++)
        this.tiles.delete(`${row},${column}`);
    this.draw();
  }

  showBefore(pixels) {
    if (this.before === pixels) return;
    this.before = pixels;
    this.changed([0, 0, this.mask.width, this.mask.height]);
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.drawNow();
    });
  }

  drawNow() {
    const ratio = window.devicePixelRatio;
    const scale = this.zoom * ratio;
    const corner = this.corner();
    const place = [...corner, this.zoom, ratio].join(" ");
    const contexts = this.canvases.map((canvas) => canvas.getContext("2d"));
    const looks = [`${place} ${this.canvases[0].width} ${this.canvases[0].height}`, ""];
    looks[1] = [looks[0], this.version, this.style, this.area, Boolean(this.before)].join(" ");
    contexts.forEach((context, number) => {
      if (this.photo && number < 2 && this.drawn[number] === looks[number]) return;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
      if (!this.photo) return;
      context.imageSmoothingEnabled = scale < 1;
      context.imageSmoothingQuality = "medium";
      context.setTransform(scale, 0, 0, scale, corner[0] * ratio, corner[1] * ratio);
      [this.drawPhoto, this.drawMask, this.drawHand][number].call(this, context, 1 / this.zoom);
    });
    this.drawn = this.photo ? looks : ["", ""];
    this.stage.dataset.place = place; // where the photo lies, for scripts and tests
    this.stage.dispatchEvent(new Event("drawn"));
  }

  drawPhoto(context) {
    context.drawImage(this.photo, 0, 0, this.mask.width, this.mask.height);
  }

  // `pixel` is the length of a CSS pixel in pixels of the photo, here and below.
  drawMask(context, pixel) {
    if (this.style === "cut-out") this.drawBackdrop(context);
    else {
      context.globalAlpha = 0.45;
      if (this.style === "tint") context.drawImage(this.layer, 0, 0);
      context.globalAlpha = 1;
      this.drawOutline(context, pixel);
    }
    this.drawArea(context, pixel);
  }

  drawHand(context, pixel) {
    this.drawPath(context, pixel);
    this.drawCursor(context, pixel);
  }

  // A checkerboard where the photo is cut away, in the screen's pixels.
  drawBackdrop(context) {
    const place = context.getTransform();
    this.checks ??= checkerboard(Math.round(10 * window.devicePixelRatio));
    context.fillStyle = context.createPattern(this.checks, "repeat");
    const [w, h] = [this.mask.width * place.a, this.mask.height * place.d];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillRect(place.e, place.f, w, h);
    context.setTransform(place);
    context.globalCompositeOperation = "destination-out";
    context.drawImage(this.layer, 0, 0);
    context.globalCompositeOperation = "source-over";
  }

  drawOutline(context, pixel) {
    const [left, top, right, bottom] = this.visible();
    const widths = [
      [3.5, "rgba(0,0,0,.55)"],
      [1.6, this.before ? BEFORE : LINE],
    ];
    for (const [width, colour] of widths) {
      context.lineWidth = width * pixel;
      context.strokeStyle = colour;
      for (let row = Math.max(0, Math.floor(top / TILE)); row * TILE < Math.min(bottom, this.mask.height); row++)
        for (let column = Math.max(0, Math.floor(left / TILE)); column * TILE < Math.min(right, this.mask.width); column++)
          context.stroke(this.outline(row, column));
    }
  }

  // The edges between object and background within a tile, along the pixels' own borders.
  outline(row, column) {
    const key = `${row},${column}`;
    if (this.tiles.has(key)) return this.tiles.get(key);
    const { width, height } = this.mask;
    const shown = this.before ?? this.mask.pixels;
    const path = new Path2D();
    const [x0, y0] = [column * TILE, row * TILE];
    const [x1, y1] = [Math.min(width, x0 + TILE), Math.min(height, y0 + TILE)];
    const at = (x, y) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : shown[y * width + x]);
    for (let y = y0; y < y1 + (y1 === height); y++)
      for (let x = x0, from = -1; x <= x1; x++) {
        const edge = x < x1 && at(x, y) !== at(x, y - 1);
        if (edge && from < 0) from = x;
        if (!edge && from >= 0) {
          path.moveTo(from, y);
          path.lineTo(x, y);
          from = -1;
        }
      }
    for (let x = x0; x < x1 + (x1 === width); x++)
      for (let y = y0, from = -1; y <= y1; y++) {
        const edge = y < y1 && at(x, y) !== at(x - 1, y);
        if (edge && from < 0) from = y;
        if (!edge && from >= 0) {
          path.moveTo(x, from);
          path.lineTo(x, y);
          from = -1;
        }
      }
    this.tiles.set(key, path);
    return path;
  }

  drawArea(context, pixel) {
    if (!this.areas.length) return;
    const [left, top, width, height] = this.areas[this.area];
    const room = 6 * pixel;
    context.setLineDash([5 * pixel, 4 * pixel]);
    context.lineWidth = 1.2 * pixel;
    for (const [offset, colour] of [[0, "rgba(0,0,0,.7)"], [4.5 * pixel, "rgba(255,255,255,.9)"]]) {
      context.lineDashOffset = offset;
      context.strokeStyle = colour;
      context.strokeRect(left - room, top - room, width + 2 * room, height + 2 * room);
    }
    context.setLineDash([]);
  }

  drawPath(context, pixel) {
    if (!this.path.length) return;
    context.beginPath();
    this.path.forEach(([x, y]) => context.lineTo(x, y));
    if (this.cursor) context.lineTo(this.cursor.x, this.cursor.y);
    for (const [width, colour] of [[3.5, "rgba(0,0,0,.6)"], [1.6, "#fff"]]) {
      context.lineWidth = width * pixel;
      context.strokeStyle = colour;
      context.stroke();
    }
    const [x, y] = this.path[0];
    context.beginPath();
    context.arc(x, y, 5 * pixel, 0, 7);
    context.fillStyle = LINE;
    context.fill();
  }

  drawCursor(context, pixel) {
    if (!this.cursor?.size) return;
    const { x, y, size } = this.cursor;
    const snap = (at) => (size % 2 ? Math.floor(at) + 0.5 : Math.round(at));
    for (const [width, colour] of [[3, "rgba(0,0,0,.6)"], [1.2, "#fff"]]) {
      context.beginPath();
      if (size === 1) context.rect(Math.floor(x), Math.floor(y), 1, 1);
      else context.arc(snap(x), snap(y), size / 2, 0, 7);
      context.lineWidth = width * pixel;
      context.strokeStyle = colour;
      context.stroke();
    }
  }
}

function checkerboard(side) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 2 * side;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 2 * side, 2 * side);
  context.fillStyle = "#d4d6da";
  context.fillRect(0, 0, side, side);
  context.fillRect(side, side, side, side);
  return canvas;
}
