// The screen: what a person does, from keys and the pointer to the mask, and from photo to photo.

import { Mask, toPng } from "./mask.js";
import { buildTools, drawProposals, el, showKeys, showList, toast } from "./panels.js";
import { Away, Refused, Server } from "./server.js";
import { STYLES, View } from "./view.js";

const IDLE = 60_000; // milliseconds without a hand on mouse or keys, after which time no longer counts
const SIZES = [1, 2, 3, 5, 8, 12, 18, 26, 36, 50, 70, 100, 140, 200];
const STATES = {
  saved: "kept",
  changed: "not kept yet",
  saving: "keeping…",
  away: "server away: kept in this browser",
};

const view = new View(el("stage"));
const server = new Server({ onState: showState, onLost: (error) => halt(error.message, true), encode: toPng });
let about = null; // of the photo that is open
let mask = null;
let proposals = new Map(); // key -> pixels
let tool = "brush";
let size = 26;
let began = "mean";
let [seconds, actions] = [0, 0];
let busy = true;
let stroke = null; // {last, value} while a button of the mouse is down
let panning = null;
let beforeDown = false;
let lastHand = performance.now();
let trail = []; // photos that were open before this one
let ahead = null; // {image_id, photo}: fetched while this one is looked at

const COMMANDS = [
  { key: "b", icon: "brush", name: "Brush", hint: "left adds, right removes, shift draws a straight line", tool: "brush" },
  { key: "e", icon: "eraser", name: "Eraser", hint: "left removes, right adds", tool: "eraser" },
  { key: "p", icon: "polygon", name: "Polygon", hint: "click corners; first corner, double click or Enter adds it, right click removes it, Esc forgets it", tool: "polygon" },
  { key: "g", icon: "fill", name: "Fill", hint: "turns the patch under the pointer over: a hole is filled, a speck goes", tool: "fill" },
  { line: true },
  { key: "z", icon: "undo", name: "Undo", run: () => step("undo"), repeats: true },
  { key: "y", icon: "redo", name: "Redo", run: () => step("redo"), repeats: true },
  { line: true },
  { key: " ", icon: "look", name: "Before (hold)", hint: "while it is held; drag with it to move the photo", hold: true },
  { key: "o", icon: "layers", name: "Outline, tint, cut-out", run: nextStyle },
  { key: "d", icon: "target", name: "Next disputed area", hint: "shift: the one before", run: (event) => nextArea(event?.shiftKey ? -1 : 1) },
  { key: "0", icon: "whole", name: "Whole photo", run: () => view.whole() },
  { key: "[", name: "Smaller brush", run: () => resize(-1), repeats: true },
  { key: "]", name: "Larger brush", run: () => resize(1), repeats: true },
  { key: "+", name: "Closer (or the wheel)", run: () => view.zoomBy(1.25), repeats: true },
  { key: "-", name: "Farther (or the wheel)", run: () => view.zoomBy(0.8), repeats: true },
  { key: "m", name: "Begin anew, from the mean", run: (event) => take("mean", event?.shiftKey) },
  { key: "h", name: "The hull of it", run: (event) => take("hull", event?.shiftKey) },
  { key: "f", name: "Holes filled", run: (event) => take("filled", event?.shiftKey) },
  { keys: "1 … 9", name: "A member's proposal; shift: only what is on the screen" },
  { key: "Enter", shown: "↵", name: "Save, next photo", run: () => finish(false) },
  { key: "r", name: "Reject: no mask can be had", run: () => finish(true) },
  { key: "Backspace", shown: "⌫ or ←", name: "The photo before", run: back },
  { key: "n", shown: "N or →", name: "Next, undecided", run: () => openNext(about?.image_id) },
  { key: "l", name: "All photos", run: openList },
  { key: "?", name: "This list", run: () => el("help-dialog").showModal() },
];
const SAME = { ArrowLeft: "Backspace", ArrowRight: "n", "=": "+" };

// ---- from photo to photo

async function openNext(after, leave = true) {
  const { image_id } = await attempt(() => server.json("next", after ? { after } : {}, "POST"));
  if (image_id) return open(image_id, { leave });
  await refreshList();
  halt("All photos are decided, or open in another tab. The list (L) opens one again; this tab may be closed.");
}

async function open(image_id, { over = false, leave = true } = {}) {
  busy = true;
  await server.send();
  if (leave && about && about.image_id !== image_id) trail.push(about.image_id);
  try {
    const opened = await server.open(image_id, over);
    about = opened;
    location.hash = encodeURIComponent(image_id);
    const photo = ahead?.image_id === image_id ? ahead.photo : server.photo(image_id);
    const [bitmap, current, base] = await Promise.all([photo, pixelsOf("current"), pixelsOf("mean")]);
    const draft = await server.draftOf(opened);
    if (draft) server.resume(draft);
    else showState("saved");
    proposals = new Map([["mean", base]]);
    mask = new Mask(opened.width, opened.height, draft?.pixels ?? current);
    began = (draft ?? opened).began_from;
    [seconds, actions] = [Number((draft ?? opened).seconds), (draft ?? opened).actions];
    view.open(bitmap, mask, opened.areas);
    resume();
    showFacts();
    await refreshList();
    lookAhead(image_id);
    await Promise.all(opened.proposals.map(async ({ key }) => proposals.set(key, proposals.get(key) ?? (await pixelsOf(key)))));
    if (about === opened) showProposals();
    document.body.dataset.open = image_id;
  } catch (error) {
    about = about?.image_id === image_id ? about : { image_id, areas: [], proposals: [] };
    el("name").textContent = image_id;
    halt(error.message, error.kind === "held", error instanceof Away ? () => open(image_id, { leave: false }) : null);
  }
}

async function pixelsOf(key) {
  return Mask.unpack(about.width, about.height, await server.bits(about.image_id, key));
}

async function lookAhead(after) {
  try {
    const { image_id } = await server.json("next", { after }, "POST");
    if (!image_id || image_id === after || ahead?.image_id === image_id) return;
    ahead = { image_id, photo: server.photo(image_id) };
    ahead.photo.catch(() => (ahead = null));
  } catch {
    // it is fetched, or the reason is said, when it is opened
  }
}

async function finish(rejected) {
  if (busy) return;
  endPolygon(null);
  busy = true;
  const { image_id } = about;
  try {
    const { decision, pixels_changed } = await server.save(work(), mask.pixels, dimensions(), rejected);
    const pixels = pixels_changed ? `, ${pixels_changed.toLocaleString("en")} pixels` : "";
    toast(`${image_id}: ${decision}${pixels}`);
    await openNext(image_id);
  } catch (error) {
    busy = false;
    if (error.kind === "changed" || error.kind === "held") halt(error.message, error.kind === "held");
    else toast(error.message, true);
  }
}

async function back() {
  const image_id = trail.pop();
  if (image_id) await open(image_id, { leave: false });
  else toast("No photo was open before this one.");
}

async function refreshList() {
  const listing = await server.json("photos", {});
  const { photos, done, seconds: mean } = listing;
  el("count").textContent = `${done} of ${photos.length}`;
  el("bar").setAttribute("aria-valuemax", photos.length);
  el("bar").setAttribute("aria-valuenow", done);
  el("bar").firstElementChild.style.width = `${(100 * done) / photos.length}%`;
  const left = mean === null ? "" : `, ${timeOf(mean * (photos.length - done))} to go`;
  el("mean").textContent = mean === null ? "" : `${mean.toFixed(1)} s a photo${left}`;
  return photos;
}

async function openList() {
  showList(await refreshList(), about?.image_id, (image_id) => open(image_id));
}

// Say why nothing can be done here, with the ways on.
function halt(message, held = false, again = null) {
  busy = true;
  el("veil").hidden = el("notice").hidden = false;
  el("notice").replaceChildren(Object.assign(document.createElement("p"), { textContent: message }));
  const { image_id } = about ?? {};
  const ways = [
    [held, "Take it over here", () => open(image_id, { over: true, leave: false })],
    [again, "Try again", again],
    [image_id, "Next photo", () => openNext(image_id)],
    [true, "All photos", openList],
  ];
  for (const [fits, name, run] of ways) {
    if (!fits) continue;
    const button = Object.assign(document.createElement("button"), { textContent: name, className: "plain" });
    button.addEventListener("click", run);
    el("notice").append(button);
  }
}

function resume() {
  el("veil").hidden = el("notice").hidden = true;
  busy = false;
}

async function attempt(act) {
  try {
    return await act();
  } catch (error) {
    halt(error.message, false, () => openNext(about?.image_id));
    throw error;
  }
}

// ---- the mask

function work() {
  const { image_id, photo_hash, base_hash } = about;
  return { image_id, seconds: seconds.toFixed(1), actions, began_from: began, photo_hash, base_hash };
}

const dimensions = () => ({ width: mask.width, height: mask.height });

function changed(box) {
  if (!box) return;
  actions++;
  view.changed(box);
  server.keep(work(), mask.pixels, dimensions());
  showProposals();
}

function step(way) {
  if (!busy && !stroke) changed(mask[way]());
}

function take(key, onlyVisible = false) {
  const other = proposals.get(key);
  if (busy || stroke || !other) return;
  mask.take(other, onlyVisible ? view.visible() : undefined);
  const box = mask.commit();
  if (!onlyVisible) began = key;
  if (box) changed(box);
  else toast("The same as it is.");
}

function endPolygon(value) {
  const corners = view.path;
  view.path = [];
  view.draw();
  if (value === null || corners.length < 3) return;
  mask.polygon(corners, value);
  changed(mask.commit());
}

function resize(by) {
  const nearest = SIZES.findIndex((one) => one >= size);
  size = SIZES[Math.min(SIZES.length - 1, Math.max(0, nearest + by))];
  if (view.cursor) view.cursor.size = brushes() ? size : 0;
  view.draw();
  showStatus();
}

const brushes = () => tool === "brush" || tool === "eraser";

// ---- the pointer

const stage = el("stage");
stage.addEventListener("contextmenu", (event) => event.preventDefault());
stage.addEventListener("wheel", onWheel, { passive: false });
stage.addEventListener("pointerdown", onDown);
stage.addEventListener("pointermove", onMove);
stage.addEventListener("pointerup", onUp);
stage.addEventListener("pointercancel", onUp);
stage.addEventListener("dblclick", () => tool === "polygon" && endPolygon(1));
stage.addEventListener("pointerleave", () => {
  view.cursor = null;
  view.draw();
});
stage.addEventListener("drawn", showStatus);

function onWheel(event) {
  event.preventDefault();
  if (!mask) return;
  const box = stage.getBoundingClientRect();
  view.zoomBy(Math.exp(-event.deltaY / 500), event.clientX - box.left, event.clientY - box.top);
}

function onDown(event) {
  if (event.target.closest("button, .notice") || !mask) return;
  event.preventDefault();
  stage.setPointerCapture(event.pointerId);
  if (event.button === 1 || beforeDown) panning = [event.clientX, event.clientY];
  else if (!busy) press(event);
}

function press(event) {
  const at = view.point(event);
  const other = event.button === 2;
  if (brushes()) {
    const from = event.shiftKey && view.last ? view.last : at;
    stroke = { value: (tool === "brush") !== other ? 1 : 0, last: at };
    mask.stroke(from, at, size, stroke.value);
    view.changed(mask.touched);
    view.last = at;
  } else if (tool === "polygon") addCorner(at, other);
  else {
    const [x, y] = at.map(Math.floor);
    if (x < 0 || y < 0 || x >= mask.width || y >= mask.height) return;
    mask.fill(x, y);
    changed(mask.commit());
  }
}

function addCorner(at, other) {
  const [first] = view.path;
  if (other) return endPolygon(0);
  const near = first && Math.hypot(at[0] - first[0], at[1] - first[1]) * view.zoom < 8;
  if (near && view.path.length > 2) return endPolygon(1);
  view.path.push(at);
  view.draw();
}

function onMove(event) {
  hand();
  if (!mask) return;
  if (panning) {
    view.pan(event.clientX - panning[0], event.clientY - panning[1]);
    panning = [event.clientX, event.clientY];
  }
  const [x, y] = view.point(event);
  view.cursor = { x, y, size: brushes() ? size : 0 };
  if (stroke) {
    const events = event.getCoalescedEvents?.() ?? [];
    const before = mask.touched;
    mask.touched = null;
    for (const one of events.length ? events : [event]) {
      const to = view.point(one);
      mask.stroke(stroke.last, to, size, stroke.value);
      stroke.last = view.last = to;
    }
    view.changed(mask.touched);
    if (before) mask.touch(before);
  } else view.draw();
}

function onUp() {
  panning = null;
  if (!stroke) return;
  stroke = null;
  changed(mask.commit());
}

// ---- the keys

addEventListener("keydown", (event) => {
  hand();
  const target = event.target;
  if (target.closest("dialog, input")) return;
  if (target.closest("button:focus-visible, a") && [" ", "Enter"].includes(event.key)) return;
  if (event.altKey) return;
  const name = event.ctrlKey || event.metaKey ? { z: event.shiftKey ? "y" : "z", y: "y" }[event.key.toLowerCase()] : event.key;
  if (!name) return;
  if (name === "Escape") return endPolygon(null);
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
  if (digit) {
    event.preventDefault();
    return void (event.repeat || take(digit, event.shiftKey));
  }
  const key = SAME[name] ?? (name.length === 1 ? name.toLowerCase() : name);
  const command = COMMANDS.find((one) => one.key === key);
  if (!command) return;
  event.preventDefault();
  if (event.repeat && !command.repeats) return;
  if (view.path.length && ["Enter", "Backspace"].includes(key)) return key === "Enter" ? endPolygon(1) : dropCorner();
  obey(command, event);
});
addEventListener("keyup", (event) => event.key === " " && holdBefore(false));
addEventListener("blur", () => holdBefore(false));
addEventListener("hashchange", () => {
  const image_id = decodeURIComponent(location.hash.slice(1));
  if (about && image_id && image_id !== about.image_id) open(image_id);
});

function dropCorner() {
  view.path.pop();
  view.draw();
}

function obey(command, event) {
  if (!mask && !["l", "?"].includes(command.key)) return;
  if (command.hold) holdBefore(true);
  else if (command.tool) choose(command.tool);
  else command.run?.(event);
}

function holdBefore(on) {
  if (on === beforeDown || !mask) return;
  beforeDown = on;
  el("badge").hidden = !on;
  view.showBefore(on ? proposals.get("mean") : null);
}

function choose(name) {
  tool = name;
  endPolygon(null);
  for (const button of el("tools").querySelectorAll("[data-tool]"))
    button.setAttribute("aria-pressed", button.dataset.tool === name);
  if (view.cursor) view.cursor.size = brushes() ? size : 0;
  showStatus();
}

function nextStyle() {
  view.style = STYLES[(STYLES.indexOf(view.style) + 1) % STYLES.length];
  view.draw();
}

function nextArea(by) {
  if (!about?.areas.length) return toast("All members agree here.");
  view.goTo(view.area + by);
  showAreas();
}

// ---- what is said

function showFacts() {
  const { image_id, score, iou, cluster, decision, reason, route } = about;
  el("name").textContent = image_id;
  document.title = `${image_id} · review`;
  const facts = [`${mask.width}×${mask.height}`, cluster, score !== null && `score ${score.toFixed(3)}`];
  facts.push(iou !== null && `IoU about ${iou.toFixed(3)}`, decision);
  el("facts").textContent = facts.filter(Boolean).join(" · ");
  el("why").textContent = reason || route;
  showAreas();
  el("proposals").replaceChildren();
}

function showAreas() {
  const { areas } = about;
  const words = areas.length ? `${view.area + 1} of ${areas.length}` : "nothing";
  const pixels = areas.length ? `, ${areas[view.area][4].toLocaleString("en")} pixels` : "";
  el("areas").textContent = words + pixels;
}

let drawing = 0;
function showProposals() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => drawProposals(about, proposals, mask, view, began, take));
}

function showStatus() {
  const { cursor } = view;
  el("zoom").textContent = `${Math.round(view.zoom * 100)} %`;
  const inside = cursor && mask && cursor.x >= 0 && cursor.y >= 0 && cursor.x < mask.width && cursor.y < mask.height;
  el("where").textContent = inside ? `${Math.floor(cursor.x)}, ${Math.floor(cursor.y)}` : "";
  const { name, hint } = COMMANDS.find((one) => one.tool === tool);
  el("hint").textContent = `${name}${brushes() ? ` ${size} px` : ""}: ${hint} · ${view.style}`;
}

function showState(state) {
  el("state").dataset.state = state;
  el("state").textContent = STATES[state];
}

function hand() {
  lastHand = performance.now();
}

function timeOf(duration) {
  return duration < 90 ? `${Math.round(duration)} s` : `${Math.round(duration / 60)} min`;
}

let tick = performance.now();
setInterval(() => {
  const now = performance.now();
  const counts = document.visibilityState === "visible" && document.hasFocus() && now - lastHand < IDLE && !busy;
  if (counts) seconds += (now - tick) / 1000;
  tick = now;
  el("seconds").textContent = Math.floor(seconds);
}, 250);
addEventListener("wheel", hand, { passive: true });

el("save").addEventListener("click", () => finish(false));
el("reject").addEventListener("click", () => finish(true));
el("next-area").addEventListener("click", () => nextArea(1));
el("open-help").addEventListener("click", () => el("help-dialog").showModal());
el("open-list").addEventListener("click", openList);
addEventListener("pointerup", () => document.activeElement?.closest("button")?.blur());

buildTools(COMMANDS, obey, holdBefore);
showKeys(COMMANDS);
choose(tool);
await server.start().catch((error) => halt(error.message));
const asked = decodeURIComponent(location.hash.slice(1));
await (asked ? open(asked) : openNext(null)).catch(() => {});
server.sendOthers();
