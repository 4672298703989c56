// What is asked of the server and sent to it. Each change is kept in this browser first and forgotten only when the
// server has it, so that neither's end loses anything.

const EVERY = 3000; // milliseconds between two signs of life
const QUIET = 600; // without a change before a draft is sent

export class Refused extends Error {
  constructor(status, answer) {
    super(answer.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.kind = answer.kind ?? "error";
  }
}

export class Away extends Error {}

export class Server {
  // `onState(state)`: `saved`, `changed`, `saving` or `away`. `onLost(error)`: another tab has taken the photo over.
  constructor({ onState, onLost, encode }) {
    Object.assign(this, { onState, onLost, encode });
    this.opened = null;
    this.waiting = null; // the draft that the server does not have yet
    this.sending = Promise.resolve();
  }

  async start() {
    this.tab = await tabName();
    await this.renew();
    this.drafts = await Drafts.open(this.folder);
    setInterval(() => this.beat(), EVERY);
    addEventListener("pagehide", () => this.opened && this.post("close", { image_id: this.opened }, null, true));
  }

  async renew() {
    const { token, folder } = await (await this.reach("/session")).json();
    Object.assign(this, { token, folder });
  }

  async reach(url, options) {
    try {
      return await fetch(url, options);
    } catch {
      this.onState("away");
      throw new Away("The server does not answer. What you do is kept in this browser and sent when it is back.");
    }
  }

  async ask(name, params = {}, options = {}, again = true) {
    const query = new URLSearchParams({ ...params, tab: this.tab });
    const headers = { "X-Maskfold-Token": this.token };
    const answer = await this.reach(`/api/${name}?${query}`, { ...options, headers });
    if (answer.ok) return answer;
    if (answer.status === 403 && again) {
      await this.renew(); // another run of the server has another token
      return this.ask(name, params, options, false);
    }
    throw new Refused(answer.status, await answer.json().catch(() => ({})));
  }

  post(name, params, body = null, keepalive = false) {
    return this.ask(name, params, { method: "POST", body, keepalive });
  }

  async json(name, params, method = "GET") {
    return (await this.ask(name, params, { method })).json();
  }

  async bits(image_id, key) {
    return new Uint8Array(await (await this.ask("mask", { image_id, key })).arrayBuffer());
  }

  async photo(image_id) {
    return createImageBitmap(await (await this.ask("photo", { image_id })).blob());
  }

  async open(image_id, over = false) {
    const about = await this.json("open", { image_id, over }, "POST");
    if (this.opened && this.opened !== image_id) this.post("close", { image_id: this.opened }).catch(() => {});
    this.opened = image_id;
    this.made = about.made; // when the server's mask was kept
    return about;
  }

  async beat() {
    if (!this.opened) return;
    try {
      await this.post("beat", { image_id: this.opened });
      if (this.waiting && !this.deciding) this.send();
      else if (!this.deciding) this.onState("saved");
    } catch (error) {
      this.lost(error);
    }
  }

  lost(error) {
    if (!(error instanceof Refused) || !["held", "changed"].includes(error.kind)) return;
    if (error.kind === "held") this.drafts.remove(this.opened); // its work goes on in the other tab
    this.opened = this.waiting = null;
    clearTimeout(this.timer);
    this.onLost(error);
  }

  // Keep a draft here at once, and on the server once the hand rests.
  async keep(work, pixels, size) {
    this.waiting = { ...work, pixels: pixels.slice(), ...size, after: this.made };
    this.onState("changed");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), QUIET);
    await this.drafts.put(this.waiting);
  }

  // Go on with a draft that only this browser has.
  resume(draft) {
    this.waiting = draft;
    this.send();
  }

  send() {
    clearTimeout(this.timer);
    this.sending = this.sending.then(() => this.sendNow());
    return this.sending;
  }

  async sendNow() {
    const draft = this.waiting;
    if (!draft) return;
    try {
      this.onState("saving");
      const { made } = await (await this.deliver("draft", draft)).json();
      if (this.opened === draft.image_id) this.made = made;
      if (this.waiting !== draft) return;
      this.waiting = null;
      await this.drafts.remove(draft.image_id);
      this.onState("saved");
    } catch (error) {
      if (error instanceof Refused) this.lost(error);
    }
  }

  // End the work on a photo; nothing is forgotten here before the server has it.
  async save(work, pixels, size, rejected) {
    this.deciding = true;
    try {
      await this.sending;
      await this.keep(work, pixels, size);
      clearTimeout(this.timer);
      this.onState("saving");
      const answer = await (await this.deliver("save", this.waiting, { rejected })).json();
      this.waiting = null;
      await this.drafts.remove(work.image_id);
      this.onState("saved");
      return answer;
    } finally {
      this.deciding = false;
    }
  }

  async deliver(name, { pixels, width, height, after, key, ...work }, more = {}) {
    const body = more.rejected ? null : await this.encode(width, height, pixels);
    return this.post(name, { ...work, ...more }, body);
  }

  // Return the draft that only this browser has, if it is of the same files, and nothing was decided since.
  async draftOf(about) {
    const draft = await this.drafts.get(about.image_id);
    if (!draft) return null;
    const same = draft.photo_hash === about.photo_hash && draft.base_hash === about.base_hash;
    if (same && (!about.decision || about.made === draft.after)) return draft;
    await this.drafts.remove(about.image_id);
    return null;
  }

  // Send the drafts of other photos that a dead server left in this browser.
  async sendOthers() {
    for (const { image_id } of await this.drafts.all()) {
      if (image_id === this.opened) continue;
      try {
        const draft = await this.draftOf(await this.json("open", { image_id }, "POST"));
        if (draft) await this.deliver("draft", draft);
        if (image_id === this.opened) continue; // opened meanwhile
        await this.drafts.remove(image_id);
        await this.post("close", { image_id });
      } catch {
        // another tab has it open, or it cannot be shown: it stays here until it is opened
      }
    }
  }
}

// This tab's name outlives a reload; a copy of the tab, which begins with the same name, gets one of its own.
async function tabName() {
  const names = [sessionStorage.getItem("tab"), crypto.randomUUID()].filter(Boolean);
  for (const name of names) {
    const free = await new Promise((resolve) => {
      navigator.locks.request(`maskfold-${name}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise(() => {});
      });
    });
    if (free) {
      sessionStorage.setItem("tab", name);
      return name;
    }
  }
  return crypto.randomUUID();
}

// The browser's own store, which outlives the tab and the server. Where there is none, nothing is kept beside the server.
class Drafts {
  static async open(folder) {
    const drafts = new Drafts();
    drafts.folder = folder;
    drafts.database = await new Promise((resolve) => {
      const request = indexedDB.open("maskfold-review", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("drafts", { keyPath: "key" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    }).catch(() => null);
    return drafts;
  }

  run(mode, act) {
    if (!this.database) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const transaction = this.database.transaction("drafts", mode, { durability: "strict" });
      const request = act(transaction.objectStore("drafts"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => resolve(undefined);
    });
  }

  key(image_id) {
    return `${this.folder}/${image_id}`;
  }

  put(draft) {
    return this.run("readwrite", (store) => store.put({ ...draft, key: this.key(draft.image_id) }));
  }

  get(image_id) {
    return this.run("readonly", (store) => store.get(this.key(image_id)));
  }

  remove(image_id) {
    return this.run("readwrite", (store) => store.delete(this.key(image_id)));
  }

  async all() {
    const drafts = (await this.run("readonly", (store) => store.getAll())) ?? [];
    return drafts.filter((draft) => draft.key === this.key(draft.image_id));
  }
}
