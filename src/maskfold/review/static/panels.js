// What stands beside the photo: tools, proposals, the list of photos, the list of keys.

const THUMB = [112, 76]; // CSS pixels
const SHADES = [
  [0xc8141210, 0xc03a3af0], // outside: dark, red where the mean has it; bytes are alpha, blue, green, red
  [0xb46ed23c, 0x00000000], // inside: green where the mean has it not
];

export const el = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

const keyOf = ({ key, keys, shown }) => shown ?? keys ?? (key === " " ? "space" : key.toUpperCase());

export function buildTools(commands, obey, hold) {
  for (const command of commands) {
    if (command.line) el("tools").append(make("hr"));
    if (!command.icon) continue;
    const title = `${command.name} (${keyOf(command)})${command.hint ? `: ${command.hint}` : ""}`;
    const button = make("button", { title, className: "tool" }, icon(command.icon), make("kbd", { textContent: keyOf(command) }));
    button.setAttribute("aria-label", title);
    if (command.tool) button.dataset.tool = command.tool;
    if (command.hold) {
      button.addEventListener("pointerdown", () => hold(true));
      for (const end of ["pointerup", "pointerleave"]) button.addEventListener(end, () => hold(false));
    } else button.addEventListener("click", () => obey(command));
    el("tools").append(button);
  }
}

export function showKeys(commands) {
  for (const command of commands) {
    if (command.line) continue;
    const hint = command.hint ? make("small", { textContent: command.hint }) : "";
    el("keys").append(make("div", {}, make("kbd", { textContent: keyOf(command) }), make("span", {}, command.name, hint)));
  }
}

// A button for each proposal, with the disputed area as it would be, and how far it is from the mask as it is.
export function drawProposals(about, proposals, mask, view, began, take) {
  const rows = about.proposals.filter(({ key }) => proposals.has(key));
  const list = el("proposals");
  if (list.children.length !== rows.length) list.replaceChildren(...rows.map((row) => proposalButton(row, take)));
  rows.forEach(({ key }, number) => {
    const button = list.children[number];
    const pixels = proposals.get(key);
    let differs = 0;
    for (let i = 0; i < pixels.length; i++) differs += pixels[i] ^ mask.pixels[i];
    button.querySelector("small").textContent = differs ? `${differs.toLocaleString("en")} px other` : "as it is";
    button.setAttribute("aria-pressed", differs === 0);
    if (!button.drawn) button.drawn = drawThumb(button.querySelector("canvas"), pixels, proposals.get("mean"), mask, view);
  });
}

const SHORT = { mean: "M", hull: "H", filled: "F" };
const NAMES = { mean: "mean of all", hull: "hull", filled: "holes filled" };

function proposalButton({ key, name }, take) {
  const canvas = make("canvas");
  const label = make("span", { textContent: NAMES[key] ?? name, title: name });
  const short = key.length > 1 && !SHORT[key] ? "" : (SHORT[key] ?? key); // members beyond the ninth have no key
  const button = make("button", { className: "proposal", title: `Take the mask of ${name}` });
  button.append(canvas, make("div", {}, label, make("small")), make("kbd", { textContent: short, hidden: !short }));
  button.addEventListener("click", (event) => take(key, event.shiftKey));
  return button;
}

// The disputed area of the photo, what a proposal leaves out in the dark; green is what it adds to the mean, red what it
// takes away.
function drawThumb(canvas, pixels, base, mask, view) {
  const ratio = window.devicePixelRatio;
  const [w, h] = THUMB.map((side) => Math.round(side * ratio));
  [canvas.width, canvas.height] = [w, h];
  const [left, top, width, height] = view.areas[0] ?? [0, 0, mask.width, mask.height];
  const whole = Math.max(w / mask.width, h / mask.height);
  const scale = Math.max(whole, Math.min(w / (width * 1.5 + 40), h / (height * 1.5 + 40), 2 * ratio));
  const inside = (middle, length, most) => Math.max(0, Math.min(middle - length / 2, most - length));
  const x = inside(left + width / 2, w / scale, mask.width);
  const y = inside(top + height / 2, h / scale, mask.height);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
  context.drawImage(view.photo, 0, 0, mask.width, mask.height);
  context.setTransform(1, 0, 0, 1, 0, 0);
  const shade = new ImageData(w, h);
  const words = new Uint32Array(shade.data.buffer);
  for (let row = 0; row < h; row++)
    for (let column = 0; column < w; column++) {
      const px = Math.min(mask.width - 1, Math.floor(x + (column + 0.5) / scale));
      const i = Math.min(mask.height - 1, Math.floor(y + (row + 0.5) / scale)) * mask.width + px;
      words[row * w + column] = SHADES[pixels[i]][base[i]];
    }
  const layer = make("canvas", { width: w, height: h });
  layer.getContext("2d").putImageData(shade, 0, 0);
  context.drawImage(layer, 0, 0);
  return true;
}

export function showList(photos, current, open) {
  const dialog = el("list-dialog");
  const rows = photos.map(({ image_id, score, decision, held, cluster }, number) => {
    const state = decision ?? (held ? "open elsewhere" : "to do");
    const button = make("button", { className: "photo-row" });
    button.append(
      make("span", { className: "number", textContent: number + 1 }),
      make("b", { textContent: image_id }),
      make("span", { textContent: cluster ?? "" }),
      make("span", { textContent: score === null ? "" : score.toFixed(3) }),
      make("span", { className: "decision", textContent: state }),
    );
    button.dataset.decision = state;
    if (image_id === current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      dialog.close();
      open(image_id);
    });
    return button;
  });
  el("list-rows").replaceChildren(...rows);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

let fading = 0;
export function toast(message, bad = false) {
  const note = el("toast");
  note.textContent = message;
  note.classList.toggle("bad", bad);
  note.hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => (note.hidden = true), bad ? 8000 : 2500);
}
