// A mask as whole numbers, one byte a pixel, 0 or 1. No canvas is involved, so nothing is ever smoothed or converted:
// a pixel is in or out. Every change is a set of flipped pixels, kept as runs, so undo and redo are the same flip.

const MOST_RUNS = 8e6; // start and length of what can be undone, 64 MB; the oldest go first

export class Mask {
  constructor(width, height, pixels) {
    this.width = width;
    this.height = height;
    this.pixels = pixels;
    this.kept = pixels.slice(); // as it was when the last change ended
    this.done = [];
    this.undone = [];
    this.touched = null; // box of the change under way: [left, top, right, bottom], the last two not included
  }

  static unpack(width, height, bits) {
    const row = Math.ceil(width / 8);
    const pixels = new Uint8Array(width * height);
    for (let y = 0, i = 0; y < height; y++)
      for (let x = 0; x < width; x++, i++) pixels[i] = (bits[y * row + (x >> 3)] >> (7 - (x & 7))) & 1;
    return pixels;
  }

  // Set every pixel whose centre lies within a disc that moves from one point to another. Points are in pixels, the
  // centre of pixel (3, 5) at (3.5, 5.5). A disc of an odd size sits on a pixel's centre, one of an even size between.
  stroke(from, to, size, value) {
    const snap = (at) => (size % 2 ? Math.floor(at) : Math.round(at) - 0.5);
    const [x0, y0, x1, y1] = [...from, ...to].map(snap);
    const reach = size / 2;
    const squared = reach * reach;
    const [dx, dy] = [x1 - x0, y1 - y0];
    const length = dx * dx + dy * dy;
    const box = this.clip(
      Math.floor(Math.min(x0, x1) - reach),
      Math.floor(Math.min(y0, y1) - reach),
      Math.ceil(Math.max(x0, x1) + reach) + 1,
      Math.ceil(Math.max(y0, y1) + reach) + 1,
    );
    for (let y = box[1]; y < box[3]; y++)
      for (let x = box[0]; x < box[2]; x++) {
        const along = length ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length)) : 0;
        const [ex, ey] = [x - x0 - along * dx, y - y0 - along * dy];
        if (ex * ex + ey * ey <= squared) this.pixels[y * this.width + x] = value;
      }
    this.touch(box);
  }

  // Set every pixel whose centre lies inside a polygon, by the even-odd rule.
  polygon(points, value) {
    const ys = points.map((point) => point[1]);
    const box = this.clip(0, Math.floor(Math.min(...ys)), this.width, Math.ceil(Math.max(...ys)) + 1);
    for (let y = box[1]; y < box[3]; y++) {
      const crossings = [];
      const at = y + 0.5;
      points.forEach(([x0, y0], number) => {
        const [x1, y1] = points[(number + 1) % points.length];
        if (y0 <= at !== y1 <= at) crossings.push(x0 + ((at - y0) / (y1 - y0)) * (x1 - x0));
      });
      crossings.sort((one, other) => one - other);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const first = Math.max(0, Math.ceil(crossings[pair] - 0.5));
        const last = Math.min(this.width, Math.ceil(crossings[pair + 1] - 0.5));
        if (last > first) this.pixels.fill(value, y * this.width + first, y * this.width + last);
      }
    }
    this.touch(box);
  }

  // Turn the patch under a point over: 4-connected pixels of one value.
  fill(x, y) {
    const { width, height, pixels } = this;
    const start = y * width + x;
    const from = pixels[start];
    const same = (i) => pixels[i] === from;
    const stack = [start];
    while (stack.length) {
      const i = stack.pop();
      if (!same(i)) continue;
      const row = i - (i % width);
      let [left, right] = [i, i + 1];
      while (left > row && same(left - 1)) left--;
      while (right < row + width && same(right)) right++;
      pixels.fill(1 - from, left, right);
      for (const next of [left - width, left + width]) {
        if (next < 0 || next >= width * height) continue;
        for (let k = 0; k < right - left; k++)
          if (same(next + k) && (k === 0 || !same(next + k - 1))) stack.push(next + k);
      }
    }
    this.touch([0, 0, width, height]);
  }

  // Take another mask's pixels within a box.
  take(other, box = [0, 0, this.width, this.height]) {
    const [left, top, right, bottom] = this.clip(...box);
    for (let y = top; y < bottom; y++)
      this.pixels.set(other.subarray(y * this.width + left, y * this.width + right), y * this.width + left);
    this.touch([left, top, right, bottom]);
  }

  // End a change. Returns the box of what it has flipped, or null where it has flipped nothing.
  commit() {
    if (!this.touched) return null;
    const runs = this.runs(this.touched);
    this.touched = null;
    if (!runs.length) return null;
    this.done.push(runs);
    this.undone = [];
    let total = this.done.reduce((sum, one) => sum + one.length, 0);
    while (total > MOST_RUNS && this.done.length > 1) total -= this.done.shift().length;
    return this.flip(runs, [this.kept]);
  }

  undo() {
    return this.move(this.done, this.undone);
  }

  redo() {
    return this.move(this.undone, this.done);
  }

  move(from, to) {
    const runs = from.pop();
    if (!runs) return null;
    to.push(runs);
    return this.flip(runs, [this.pixels, this.kept]);
  }

  runs([left, top, right, bottom]) {
    const runs = [];
    for (let y = top; y < bottom; y++) {
      const end = y * this.width + right;
      for (let i = y * this.width + left; i < end; i++) {
        if (this.pixels[i] === this.kept[i]) continue;
        const start = i;
        while (i < end && this.pixels[i] !== this.kept[i]) i++;
        runs.push(start, i - start);
      }
    }
    return Int32Array.from(runs);
  }

  flip(runs, buffers) {
    let [left, right] = [this.width, 0];
    for (let n = 0; n < runs.length; n += 2) {
      const [start, end] = [runs[n], runs[n] + runs[n + 1]];
      for (const buffer of buffers) for (let i = start; i < end; i++) buffer[i] ^= 1;
      left = Math.min(left, start % this.width);
      right = Math.max(right, ((end - 1) % this.width) + 1);
    }
    const row = (i) => Math.floor(i / this.width);
    return [left, row(runs[0]), right, row(runs[runs.length - 2]) + 1];
  }

  clip(left, top, right, bottom) {
    return [Math.max(0, left), Math.max(0, top), Math.min(this.width, right), Math.min(this.height, bottom)];
  }

  touch([left, top, right, bottom]) {
    const box = this.touched ?? [left, top, right, bottom];
    const low = [Math.min(box[0], left), Math.min(box[1], top)];
    this.touched = [...low, Math.max(box[2], right), Math.max(box[3], bottom)];
  }
}

// A mask as a PNG of one bit a pixel, written byte by byte: what a canvas gives back may have been altered.
export async function toPng(width, height, pixels) {
  const row = Math.ceil(width / 8) + 1; // behind a byte that says the row is as it is
  const raw = new Uint8Array(row * height);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) if (pixels[i]) raw[y * row + 1 + (x >> 3)] |= 128 >> (x & 7);
  const packer = new Blob([raw]).stream().pipeThrough(new CompressionStream("deflate")); // zlib's form, as PNG has it
  const data = new Uint8Array(await new Response(packer).arrayBuffer());
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 1; // bit a pixel, grey
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  return new Blob([signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array())], {
    type: "image/png",
  });
}

function chunk(name, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
