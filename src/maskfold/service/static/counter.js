// The clerk's page: a photo goes to /recognise, the five likeliest products become buttons, and what is tapped goes to
// /taps. Nothing of the service's answers is put into the page as HTML.

const $ = (id) => document.getElementById(id);
const HEADLINES = { ask: "Which of these is it?", unknown: "Unknown product" };
const SIDE = 1600; // pixels of the longer side of a photo that is sent: networks look at a few hundred

let photo = null; // what was sent last
let answer = null; // what came back
let asked = 0; // how many times was asked: a late answer to an older photo is not shown
let camera = null;
let weighed = false; // whether the weight in the field was of an earlier photo

async function ask(address, options = {}) {
  const token = sessionStorage.getItem("token");
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(address, { ...options, headers });
  if (response.status === 401) {
    await askToken();
    return ask(address, options);
  }
  const content = await response.json();
  if (!response.ok) throw Object.assign(new Error(content.message), { kind: content.error });
  return content;
}

function askToken() {
  const dialog = $("ask-token");
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { sessionStorage.setItem("token", $("token").value); resolve(); }, { once: true });
  });
}

function say(verdict, headline, reason = "") {
  $("verdict").dataset.verdict = verdict;
  $("headline").textContent = headline;
  $("reason").textContent = reason;
}

async function recognise() {
  if (!photo) return;
  const number = ++asked;
  answer = null;
  $("top").replaceChildren();
  $("note").textContent = "";
  $("again").disabled = $("send").disabled = true;
  say("none", "Looking ...");
  const grams = Number($("grams").value);
  weighed = grams > 0;
  try {
    const content = await ask(grams > 0 ? `/recognise?grams=${grams}` : "/recognise", { method: "POST", body: photo });
    if (number !== asked) return;
    answer = content;
    show();
  } catch (error) {
    if (number === asked) say("failed", "No answer", error.message);
  }
  if (number === asked) $("again").disabled = false;
}

function show() {
  say(answer.verdict, HEADLINES[answer.verdict] ?? answer.top[0].label, answer.reason);
  $("top").replaceChildren(...answer.top.map(({ label, probability }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const name = Object.assign(document.createElement("span"), { className: "name", textContent: label });
    const share = Object.assign(document.createElement("span"), { className: "share", textContent: percent(probability) });
    const bar = Object.assign(document.createElement("meter"), { value: probability });
    button.append(name, share, bar);
    button.dataset.label = label;
    button.addEventListener("click", () => tap(label));
    item.append(button);
    return item;
  }));
  $("send").disabled = false;
}

const percent = (share) => (share >= 0.9995 ? "100 %" : share < 0.0005 ? "0 %" : `${(100 * share).toFixed(1)} %`);

async function tap(label) {
  if (!answer) return;
  const tapped = answer;
  for (const button of $("top").querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.label === label);
  try {
    const query = new URLSearchParams({ photo: tapped.photo, label });
    const { outcome } = await ask(`/taps?${query}`, { method: "POST" });
    $("note").textContent = outcome === "kept" ? `${label}: kept.` : `${label}: not kept, the inbox is full.`;
  } catch (error) {
    $("note").textContent = error.kind === "no_inbox" ? `${label}. Taps are not kept here.` : error.message;
  }
}

async function take(file) {
  if (weighed) $("grams").value = "";
  photo = await smaller(file);
  if ($("photo").src) URL.revokeObjectURL($("photo").src);
  $("photo").src = URL.createObjectURL(photo);
  $("photo").hidden = false;
  $("video").hidden = $("empty").hidden = true;
  if (camera) $("shoot").textContent = "Next product";
  recognise();
}

// Large photos are made smaller before they travel; what this browser cannot read goes as it is.
async function smaller(file) {
  try {
    const image = await createImageBitmap(file);
    const scale = SIDE / Math.max(image.width, image.height);
    if (scale >= 1) return file;
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width * scale, height: image.height * scale });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? file), "image/jpeg", 0.92));
  } catch {
    return file;
  }
}

async function shoot() {
  if (!camera) {
    try {
      camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      $("note").textContent = `No camera: ${error.message}`;
      return;
    }
    $("video").srcObject = camera;
    await $("video").play();
  } else if (!$("video").hidden) {
    const { videoWidth: width, videoHeight: height } = $("video");
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage($("video"), 0, 0);
    canvas.toBlob((blob) => blob && take(blob), "image/jpeg", 0.92);
    return;
  }
  $("video").hidden = false;
  $("photo").hidden = $("empty").hidden = true;
  $("shoot").textContent = "Take the photo";
}

$("shoot").addEventListener("click", shoot);
$("file").addEventListener("change", (event) => { const [file] = event.target.files; if (file) take(file); event.target.value = ""; });
$("again").addEventListener("click", recognise);
$("grams").addEventListener("keydown", (event) => event.key === "Enter" && recognise());
$("other").addEventListener("submit", (event) => {
  event.preventDefault();
  const label = $("label").value.trim();
  if (label) tap(label).then(() => ($("label").value = ""));
});
$("label").addEventListener("focus", async () => {
  const { labels } = await ask("/labels");
  $("labels").replaceChildren(...labels.map((label) => Object.assign(document.createElement("option"), { value: label })));
}, { once: true });
