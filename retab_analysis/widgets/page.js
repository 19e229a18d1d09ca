// @ts-check
/**
 * A page in a notebook: shows HTML that Python makes, and sends back what a person does with it.
 *
 * The page is made of pieces: HTML by name, `root` is the outermost. An element with `data-slot`
 * shows the piece of that name. Only pieces that have changed come, and are patched into what is
 * there, so that focus, caret, selected text, scroll positions and open `<details>` stay. What the
 * HTML may ask for, by attributes:
 *
 * - `data-key`: the identity of an element among its siblings; it is moved, and not made anew.
 * - `data-event`: a click, or a changed value of a field, is sent as `{event, scope, value}`; the
 *   scope is the nearest `data-scope`, the value that of the control, or else `data-value`. A
 *   `<details>` sends it when it opens and has nothing to show.
 *
 * What needs no kernel stands in `page.js` of `render`, which is put before this.
 *
 * @typedef {{get(name: string): any, send(content: any): void,
 *   on(name: string, callback: (...given: any[]) => void): void,
 *   off(name: string, callback: (...given: any[]) => void): void}} Model
 * @typedef {{[name: string]: string}} Pieces
 * @typedef {{scope: string, top: number, was: string | null}} Held
 */

const PATIENCE = 1500; // milliseconds before the page says that the kernel does not answer
const SILENCE = 10; // seconds without a look at the runs before the page says so
const GONE = "The kernel has ended or was restarted: run the cell again.";
const FOLD = "[data-event=fold-view]";
const FOCUSABLE = "a[href],button,input,select,summary,[tabindex='0']";

/** @param {any} element @returns {HTMLElement} */
const asHtml = (element) => element;
/** Attributes that belong to whoever sits at the browser, once the element is there. @type {Pieces} */
const OWNED = {
  open: "details",
  "data-mode": ".rv-actions",
  hidden: ".rv-row,.rv-aside,.rtd-card,.rtd-more",
  tabindex: ".rv-chip,.rv-row > summary",
  "aria-pressed": ".rv-chip",
  title: ".rv-m i",
};

/** @param {Element} element @param {string} name */
const isOwned = (element, name) => name in OWNED && element.matches(OWNED[name]);

/** @param {Node | null} node */
function keyOf(node) {
  if (!(node instanceof Element)) return null;
  return node.getAttribute("data-key") ?? node.getAttribute("data-slot");
}

/**
 * Make an old node equal to a new one of the same kind, and touch only what differs.
 *
 * @param {Node} old @param {Node} fresh
 */
function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (!(old instanceof Element && fresh instanceof Element)) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) setAttribute(old, name, null);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) setAttribute(old, name, value);
  }
  patchChildren(old, fresh);
}

/**
 * A select that was used no longer follows its attributes. It does so here, where Python has
 * changed them.
 *
 * @param {Element} element @param {string} name @param {string | null} value
 */
function setAttribute(element, name, value) {
  if (isOwned(element, name)) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
  if (element instanceof HTMLOptionElement && name === "selected") element.selected = value !== null;
}

/** @param {Element} parent @param {Element} fresh */
function patchChildren(parent, fresh) {
  const coming = [...fresh.childNodes];
  const kept = new Set(coming.map(keyOf));
  /** @type {Map<string, Element>} */
  const byKey = new Map();
  for (const child of [...parent.children]) {
    const key = keyOf(child);
    if (key === null) continue;
    if (kept.has(key)) byKey.set(key, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const next of coming) {
    const match = findMatch(next, at, byKey);
    if (match === null) {
      parent.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else move(parent, match, at);
    patch(match, next);
  }
  while (at !== null) {
    const rest = at.nextSibling;
    at.remove();
    at = rest;
  }
}

/**
 * What is there already of a node that is to come, or null.
 *
 * @param {Node} next @param {ChildNode | null} at @param {Map<string, Element>} byKey
 */
function findMatch(next, at, byKey) {
  const key = keyOf(next);
  const match = key === null ? at : (byKey.get(key) ?? null);
  if (key !== null) byKey.delete(key);
  return match?.nodeName === next.nodeName && keyOf(match) === key ? match : null;
}

/**
 * Move a child. Where the browser can, without taking it out of the page: it keeps the focus.
 *
 * @param {any} parent @param {Node} child @param {Node | null} before
 */
function move(parent, child, before) {
  if (parent.moveBefore) parent.moveBefore(child, before);
  else parent.insertBefore(child, before);
}

/** The pieces of a page as they are now. One for each model. */
class Store {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    /** What a model holds at first is what may be saved, not what is live. @type {Pieces} */
    this.pieces = { ...model.get("pieces") };
    this.revision = -1;
    /** @type {Set<(names: Set<string>) => void>} */
    this.listeners = new Set();
    this.taking = /** @param {any} message */ (message) => this.take(message);
    model.on("msg:custom", this.taking);
    this.ask();
  }

  /** Ask for everything. */
  ask() {
    try {
      this.model.send({ event: "resync" });
    } catch {
      // No kernel answers: the saved state stays.
    }
  }

  /** @param {{pieces?: Pieces, patch?: Pieces, gone?: string[], revision?: number}} message */
  take({ pieces, patch: changed, gone, revision }) {
    if (revision === undefined) return;
    const old = this.pieces;
    if (pieces) {
      this.pieces = pieces;
      this.tell(new Set(Object.keys(pieces).filter((each) => pieces[each] !== old[each])));
      this.revision = revision;
    } else if (changed && revision > this.revision) {
      // Each message has the next number: one was lost.
      if (this.revision >= 0 && revision > this.revision + 1) this.ask();
      for (const each of gone ?? []) delete old[each];
      Object.assign(old, changed);
      this.tell(new Set(Object.keys(changed)));
      if (this.revision >= 0) this.revision = revision;
    }
  }

  /** @param {Set<string>} names */
  tell(names) {
    for (const each of this.listeners) each(names);
  }

  /** Give an element a piece, and its slots theirs. @param {Element} element */
  fill(element) {
    element.innerHTML = this.pieces[element.getAttribute("data-slot") ?? ""] ?? "";
    for (const slot of element.querySelectorAll("[data-slot]")) this.fill(slot);
  }
}

/** By the tokens of their models: who shows a model is given another object than who made it. */
const stores = /** @type {Map<string, Store>} */ (new Map());

/** @param {Model} model */
function storeOf(model) {
  const token = model.get("token");
  const store = stores.get(token) ?? new Store(model);
  stores.set(token, store);
  return store;
}

/** One place where the page is shown. */
class View {
  /** @param {Model} model @param {HTMLElement} host */
  constructor(model, host) {
    this.model = model;
    this.store = storeOf(model);
    this.root = document.createElement("div");
    this.root.className = "rv rtd mathjax_ignore tex2jax_ignore";
    this.root.tabIndex = -1;
    this.root.setAttribute("role", "region");
    // Each landmark has a name of its own.
    const others = document.querySelectorAll(".rv[role=region]").length;
    this.root.setAttribute("aria-label", `${model.get("label")}${others ? ` ${others + 1}` : ""}`);
    this.root.dataset.driven = "live";
    const page = document.createElement("div");
    page.dataset.slot = "root";
    this.notice = document.createElement("div");
    this.notice.className = "rv-notice";
    this.notice.setAttribute("role", "alert");
    this.stops = new AbortController();
    this.mark = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.sent = 0;
    /** A pressed headline stays where it was until it has opened or closed. @type {Held | null} */
    this.held = null;
    /** Whether the order of several views has changed while somebody was at them. */
    this.late = false;
    /** Numbers of the events that the kernel has not answered yet. @type {Set<string>} */
    this.open = new Set();
    this.root.append(page, this.notice);
    this.store.fill(page);
    this.listen();
    host.append(this.root);
    this.place = hideFallback(this.root, model.get("token"));
    this.settle();
  }

  listen() {
    const { root, model, store, stops } = this;
    const options = { signal: stops.signal };
    /** @param {Set<string>} names */
    const mend = (names) => this.mend(names);
    /** @param {any} message */
    const answer = (message) => this.onAnswer(message);
    // Said at once where the connection to the kernel's side is closed.
    const gone = () => this.end();
    store.listeners.add(mend);
    model.on("msg:custom", answer);
    model.on("comm_live_update", gone);
    stops.signal.addEventListener("abort", () => {
      store.listeners.delete(mend);
      if (store.listeners.size === 0 && stores.delete(model.get("token"))) {
        store.model.off("msg:custom", store.taking);
      }
      model.off("msg:custom", answer);
      model.off("comm_live_update", gone);
    });
    root.addEventListener("click", (event) => this.onClick(event), options);
    root.addEventListener("change", (event) => this.onChange(event), options);
    root.addEventListener("toggle", (event) => this.onToggle(event), { capture: true, ...options });
    listen(root, options);
    const ticks = setInterval(() => this.tick(), 1000);
    stops.signal.addEventListener("abort", () => clearInterval(ticks));
    window.addEventListener("wheel", () => (this.held = null), { passive: true, ...options });
    const leave = () => setTimeout(() => this.late && this.mend(new Set(["root"])));
    for (const name of ["pointerleave", "focusout"]) root.addEventListener(name, leave, options);
    // The notebook's own shortcuts (two d on a cell delete it) are read at the document. In
    // Notebook 7 they come before whatever the page could do at its root.
    window.addEventListener("keydown", (event) => this.onKey(event), { capture: true, ...options });
  }

  dispose() {
    this.stops.abort();
    this.place.remove();
    this.root.remove();
  }

  // Showing

  /** Patch the outermost slots of some pieces. @param {Set<string>} names */
  mend(names) {
    // Views keep their order while a pointer or the focus is among them.
    if (names.has("root")) {
      this.late = this.root.matches(":hover") || this.focused() !== null;
      if (this.late) names = new Set([...names].filter((each) => each !== "root"));
    }
    const focused = this.focused();
    const rows = focused?.matches(".rv-row > summary") ? shownRows(viewOf(focused)) : [];
    const place = focused ? rows.indexOf(focused) : -1;
    const view = focused && viewOf(focused);
    const around = focused?.closest("[data-slot]");
    const slots = [...this.root.querySelectorAll("[data-slot]")];
    const changed = slots.filter((each) => names.has(each.getAttribute("data-slot") ?? ""));
    for (const slot of changed) {
      // What is inside of another one is patched with it.
      if (changed.some((each) => each !== slot && each.contains(slot))) continue;
      const fresh = /** @type {Element} */ (slot.cloneNode(false));
      this.store.fill(fresh);
      patchChildren(slot, fresh);
    }
    this.settle();
    this.hold();
    if (!focused || (this.focused() === focused && !focused.matches(":disabled") && focused.checkVisibility())) return;
    // To the same element, or to what stands in its place now.
    const left = place >= 0 && view?.isConnected ? shownRows(view) : [];
    const item = left[Math.min(place, left.length - 1)];
    const others = [...(around?.querySelectorAll(FOCUSABLE) ?? [])];
    const isFree = (/** @type {Element} */ each) => each.checkVisibility() && !each.matches(":disabled");
    // A question comes in the place of the button that asks it, and that one back.
    const next = others.find((each) => isFree(each) && each.matches(".rv-asks")) ?? others.find(isFree);
    const stays = focused.isConnected && isFree(focused);
    asHtml(stays ? focused : (item ?? next ?? this.root)).focus({ preventScroll: true });
  }

  /** Between two looks at the runs the time goes on here; after ten seconds it says how long nothing came. */
  tick() {
    for (const said of all(".rv-said[data-for]", this.root)) {
      if (said.told !== said.dataset.for) Object.assign(said, { told: said.dataset.for, at: Date.now() });
      const silent = Math.round((Date.now() - said.at) / 1000), seconds = Number(said.told) + silent;
      const so = said.querySelector("b");
      if (seconds < 3600 && so.textContent.startsWith("running")) so.textContent = `running for ${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`}`;
      if (silent < SILENCE) continue;
      said.classList.add("rv-silent");
      while (so.nextSibling) so.nextSibling.remove();
      so.after(` \u00b7 no answer for ${silent} s`);
    }
  }

  /** Scroll by what the headline has moved that was pressed last. Other news may come before its own. */
  hold() {
    const { held } = this;
    const view = held && this.root.querySelector(`[data-scope="${held.scope}"]`);
    if (!held || !view) return;
    if (view.querySelector(FOLD)?.getAttribute("aria-expanded") !== held.was) this.held = null;
    const moved = view.getBoundingClientRect().top - held.top;
    if (Math.abs(moved) < 1) return;
    let box = this.root.parentElement;
    const scrolls = (/** @type {Element} */ each) => each.scrollHeight > each.clientHeight && /auto|scroll/.test(getComputedStyle(each).overflowY);
    while (box && !scrolls(box)) box = box.parentElement;
    (box ?? document.scrollingElement)?.scrollBy(0, moved);
  }

  /** What was searched and pressed still holds, and rows are one tab stop. */
  settle() {
    if (this.root.querySelector(".rv-marks")) this.root.classList.add("rv-going");
    for (const view of this.root.querySelectorAll(".rv-view")) {
      filter(view);
      setStop(view);
    }
  }

  /** What has the focus in this page, also within a shadow root. @returns {HTMLElement | null} */
  focused() {
    const tree = /** @type {Document | ShadowRoot} */ (this.root.getRootNode());
    const active = tree.activeElement;
    return active && this.root.contains(active) ? asHtml(active) : null;
  }

  // Sending

  /** @param {HTMLElement} element @param {any} value */
  send(element, value) {
    const id = `${this.mark}-${(this.sent += 1)}`;
    const view = element.closest("[data-scope]");
    const scope = view?.getAttribute("data-scope") ?? null;
    if (view && scope && element.matches(FOLD)) {
      this.held = { scope, top: view.getBoundingClientRect().top, was: element.getAttribute("aria-expanded") };
    }
    this.open.add(id);
    setTimeout(() => this.open.has(id) && this.say(this.model.get("busy")), PATIENCE);
    try {
      this.model.send({ id, event: element.dataset.event, scope, value });
    } catch {
      this.say(this.model.get("busy"));
    }
  }

  /** @param {{answered?: string, error?: string}} message */
  onAnswer(message) {
    if (!message?.answered || !this.open.delete(message.answered)) return;
    if (message.error) this.say(message.error);
    else if (this.open.size === 0) this.say("");
  }

  /** @param {string} text */
  say(text) {
    this.notice.textContent = text;
  }

  /** The kernel has ended: what needs it is off, all else goes on. */
  end() {
    this.open.clear();
    this.say(GONE);
    for (const line of all(".rv-said", this.root)) {
      const at = /\d\d:\d\d/.exec(this.root.querySelector(".rv-seen")?.textContent ?? "");
      line.removeAttribute("data-for");
      line.textContent = `the kernel has ended: run the cell again${at ? `; this is the state of ${at}` : ""}`;
    }
    for (const each of all("[data-event]", this.root)) each.disabled = true;
    for (const each of all("details[data-event] > .rv-open:empty", this.root)) {
      each.textContent = "Run the cell again to see it.";
    }
  }

  // What a person does

  /** @param {MouseEvent} event */
  onClick(event) {
    const found = /** @type {Element} */ (event.target).closest("button[data-event]");
    if (!(found instanceof HTMLButtonElement) || found.disabled) return;
    this.send(found, found.dataset.value ?? null);
  }

  /** @param {Event} event */
  onToggle({ target: row }) {
    if (!(row instanceof HTMLDetailsElement) || !row.open || !row.dataset.event) return;
    if (!row.querySelector(".rv-open")?.firstChild) this.send(row, row.dataset.value ?? null);
  }

  /** @param {Event} event */
  onChange(event) {
    const control = /** @type {any} */ (event.target);
    if (control.matches("select[data-event]")) this.send(control, control.value);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const path = event.composedPath();
    if (!path.includes(this.root)) return;
    if (answerKey(event, asHtml(path[0]))) event.preventDefault();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "Enter" && event.shiftKey) return;
    event.stopImmediatePropagation();
  }
}

/**
 * Hide what stands for this page where nothing drives it: it is there in the same output, too.
 *
 * @param {HTMLElement} root @param {string} token
 */
function hideFallback(root, token) {
  const rule = document.createElement("style");
  const name = `[data-stands-for="${token}"]`;
  rule.textContent = `${name},.jp-OutputArea-child:has(${name}){display:none!important}`;
  if (token) root.ownerDocument.head.append(rule);
  return rule;
}

export default {
  /** @param {{model: Model}} given */
  initialize({ model }) {
    storeOf(model);
  },

  /** @param {{model: Model, el: HTMLElement}} given */
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.dispose();
  },
};
