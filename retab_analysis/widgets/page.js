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
 *   scope is the nearest `data-scope`, the value that of the control, or else `data-value`.
 * - `data-copy`: a click copies this text to the clipboard; no kernel is needed for it.
 * - `<table role="grid">` and `role="toolbar"` are one tab stop each: arrow keys, Home and End move
 *   in them, Enter and Space choose. What can have the focus in them has `tabindex="-1"`.
 * - Cells of a matrix (`i` in `.rv-m`) have the title of their column's button.
 *
 * @typedef {{get(name: string): any, send(content: any): void,
 *   on(name: string, callback: (...given: any[]) => void): void,
 *   off(name: string, callback: (...given: any[]) => void): void}} Model
 * @typedef {{[name: string]: string}} Pieces
 */

const GAP_TYPING = 250; // milliseconds without a key before what was typed is sent
const PATIENCE = 1500; // milliseconds before the page says that the kernel does not answer
const SHOWN_FOR = 4000; // milliseconds that a short notice stays
const GONE = "The kernel has ended or was restarted: run the cell again.";
const FOCUSABLE = "a[href],button,input,select,summary,[tabindex='0']";
const ROVING = 'table[role="grid"],[role="toolbar"]';
/** What a cell of a matrix shows, by its class. @type {Pieces} */
const STATES = {
  p: "passed", f: "failed", b: "blocked", e: "error", c: "cancelled", r: "running",
  n: "not yet", o: "not run", s: "some failed",
};

/** @param {any} element @returns {HTMLElement} */
const asHtml = (element) => element;
/** Attributes that belong to whoever sits at the browser, once the element is there. @type {Pieces} */
const OWNED = {
  open: "details",
  tabindex: "td,th,[role=toolbar] button",
  "data-copied": "*",
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
 * A control that was used no longer follows its attributes. It does so here, where Python has
 * changed them, and except in the field that is being typed in.
 *
 * @param {Element} element @param {string} name @param {string | null} value
 */
function setAttribute(element, name, value) {
  if (isOwned(element, name)) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
  if (element instanceof HTMLInputElement && name === "value" && !element.matches(":focus")) {
    element.value = value ?? "";
  } else if (element instanceof HTMLOptionElement && name === "selected") {
    element.selected = value !== null;
  }
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

/** What can have the focus in a grid or a toolbar, in rows. @param {Element} box */
function rowsOf(box) {
  if (!(box instanceof HTMLTableElement)) return [[...box.querySelectorAll("button")]];
  const rows = [...box.rows].filter((row) => row.getClientRects().length > 0);
  return rows.map((row) => [...row.cells]);
}

/** @param {HTMLElement[][]} rows @param {Element} item */
function placeOf(rows, item) {
  const row = rows.findIndex((each) => each.includes(asHtml(item)));
  return row < 0 ? null : { row, column: rows[row].indexOf(asHtml(item)) };
}

/** @param {HTMLElement[][]} rows @param {number} row @param {number} column */
function itemAt(rows, row, column) {
  const cells = rows[Math.min(Math.max(row, 0), rows.length - 1)] ?? [];
  return cells[Math.min(Math.max(column, 0), cells.length - 1)] ?? null;
}

/**
 * Where a key leads to from an item, or null where it leads nowhere.
 *
 * @param {Element} box @param {HTMLElement} item @param {KeyboardEvent} event
 */
function findTarget(box, item, event) {
  const rows = rowsOf(box);
  const place = placeOf(rows, item);
  if (place === null) return null;
  const { row, column } = place;
  const forward = getComputedStyle(box).direction === "rtl" ? -1 : 1;
  const targets = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - forward],
    ArrowRight: [row, column + forward],
    Home: [event.ctrlKey ? 0 : row, 0],
    End: [event.ctrlKey ? rows.length : row, Infinity],
  };
  const found = targets[/** @type {keyof typeof targets} */ (event.key)];
  return found ? itemAt(rows, found[0], found[1]) : null;
}

/** Make one item the tab stop of its box. @param {Element} box @param {Element} item */
function setStop(box, item) {
  for (const other of box.querySelectorAll('[tabindex="0"]')) {
    if (other !== item && other.closest(ROVING) === box) other.setAttribute("tabindex", "-1");
  }
  item.setAttribute("tabindex", "0");
}

/** Do what an item of a grid is for: its button, or its own or its row's click. @param {HTMLElement} item */
function choose(item) {
  if (item.matches("button,a,summary")) return false; // the browser clicks it
  asHtml(item.querySelector("button,a,summary") ?? item).click();
  return true;
}

/**
 * Copy a text. Pages that came over plain http have no clipboard but the old command.
 *
 * @param {string} text @param {Element} near
 * @returns {Promise<boolean>} Whether it is on the clipboard.
 */
async function copy(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "rv-hidden";
    near.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
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
    this.root.setAttribute("aria-label", model.get("label"));
    const page = document.createElement("div");
    page.dataset.slot = "root";
    this.notice = document.createElement("div");
    this.notice.className = "rv-notice";
    this.notice.setAttribute("role", "alert");
    this.stops = new AbortController();
    this.mark = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.sent = 0;
    /** Numbers of the events that the kernel has not answered yet. @type {Set<string>} */
    this.open = new Set();
    /** What was sent last of a control. @type {WeakMap<Element, any>} */
    this.told = new WeakMap();
    this.typing = 0;
    this.quiet = 0;
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
    const gone = () => this.say(GONE, true);
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
    root.addEventListener("input", (event) => this.onInput(event), options);
    root.addEventListener("focusin", (event) => this.onFocus(event), options);
    root.addEventListener("pointerover", nameCell, options);
    // The notebook's own shortcuts (two d on a cell delete it) are read at the document. In
    // Notebook 7 they come before whatever the page could do at its root.
    window.addEventListener("keydown", (event) => this.onKey(event), { capture: true, ...options });
  }

  dispose() {
    this.stops.abort();
    clearTimeout(this.typing);
    clearTimeout(this.quiet);
    this.place.remove();
    this.root.remove();
  }

  // Showing

  /** Patch the outermost slots of some pieces. @param {Set<string>} names */
  mend(names) {
    const focused = this.focused();
    const box = focused?.closest(ROVING);
    const place = box && focused ? placeOf(rowsOf(box), focused) : null;
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
    if (!focused || (this.focused() === focused && !focused.matches(":disabled"))) return;
    // To the same element, or to what stands in its place now.
    const item = box?.isConnected && place ? itemAt(rowsOf(box), place.row, place.column) : null;
    const others = [...(around?.querySelectorAll(FOCUSABLE) ?? [])];
    const next = others.find((each) => !each.matches(":disabled"));
    const stays = focused.isConnected && !focused.matches(":disabled");
    asHtml(stays ? focused : (item ?? next ?? this.root)).focus({ preventScroll: true });
  }

  /** Every grid and toolbar has one tab stop. */
  settle() {
    for (const box of this.root.querySelectorAll(ROVING)) {
      if (box.querySelector('[tabindex="0"]')) continue; // asking for rows costs a layout
      const first = rowsOf(box).find((row) => row.length > 0)?.[0];
      // Where the page is not in the document yet, nothing of it is seen.
      (first ?? box.querySelector("th,td"))?.setAttribute("tabindex", "0");
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
    const scope = element.closest("[data-scope]")?.getAttribute("data-scope") ?? null;
    this.open.add(id);
    this.told.set(element, value);
    setTimeout(() => this.open.has(id) && this.say(this.model.get("busy"), true), PATIENCE);
    try {
      this.model.send({ id, event: element.dataset.event, scope, value });
    } catch {
      this.say(this.model.get("busy"), true);
    }
  }

  /** @param {{answered?: string, error?: string, said?: string}} message */
  onAnswer(message) {
    if (!message?.answered || !this.open.delete(message.answered)) return;
    if (message.error) this.say(message.error, true);
    else if (message.said) this.say(message.said);
    else if (this.open.size === 0 && this.notice.dataset.stays) this.say("", true);
  }

  /** @param {string} text @param {boolean} stays Whether it is shown until the next notice. */
  say(text, stays = false) {
    clearTimeout(this.quiet);
    this.notice.textContent = text;
    if (stays) this.notice.dataset.stays = "yes";
    else delete this.notice.dataset.stays;
    if (!stays) this.quiet = window.setTimeout(() => this.say(""), SHOWN_FOR);
  }

  // What a person does

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {Element} */ (event.target);
    const found = target.closest("[data-copy],[data-event],a,summary");
    if (!(found instanceof HTMLElement) || !this.root.contains(found)) return;
    if (found.matches(":disabled")) return;
    if (found.dataset.copy !== undefined) this.copyFrom(found);
    else if (found.dataset.event && !found.matches("input,select") && !isMarking(found)) {
      this.send(found, found.dataset.value ?? null);
    }
  }

  /** @param {HTMLElement} element */
  async copyFrom(element) {
    const done = await copy(element.dataset.copy ?? "", this.root);
    this.say(done ? "Copied." : "The browser does not let this page copy.");
    if (!done) return;
    element.dataset.copied = "yes";
    setTimeout(() => delete element.dataset.copied, SHOWN_FOR);
  }

  /** @param {Event} event */
  onChange(event) {
    const control = /** @type {any} */ (event.target);
    if (!control.matches("[data-event]")) return;
    clearTimeout(this.typing);
    // A field that is left has sent already what was typed in it.
    if (this.told.get(control) !== control.value) this.send(control, control.value);
  }

  /** @param {Event} event */
  onInput(event) {
    const field = /** @type {any} */ (event.target);
    if (!field.matches("input[data-event]")) return;
    clearTimeout(this.typing);
    this.typing = window.setTimeout(() => this.send(field, field.value), GAP_TYPING);
  }

  /** @param {FocusEvent} event */
  onFocus(event) {
    const target = /** @type {Element} */ (event.target);
    const box = target.closest(ROVING);
    const item = box && target.closest("td,th,button");
    if (box && item && placeOf(rowsOf(box), item)) setStop(box, item);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const path = event.composedPath();
    if (!path.includes(this.root)) return;
    if (this.answerKey(event, asHtml(path[0]))) event.preventDefault();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "Enter" && event.shiftKey) return;
    event.stopImmediatePropagation();
  }

  /**
   * Do what a key is for in the page; false where the browser does it.
   *
   * @param {KeyboardEvent} event @param {any} target
   */
  answerKey(event, target) {
    if (event.key === "Escape" && target.matches("input")) {
      clearTimeout(this.typing);
      target.value = "";
      this.send(target, "");
      return true;
    }
    const box = target.closest(ROVING);
    if (!box || event.metaKey || event.altKey || event.shiftKey) return false;
    if (event.key === "Enter" || event.key === " ") return !event.ctrlKey && choose(target);
    const next = findTarget(box, target.closest("td,th") ?? target, event);
    next?.focus();
    return next !== null;
  }
}

/**
 * Whether somebody has just marked text in an element, and does not mean to click it.
 *
 * @param {Element} element
 */
function isMarking(element) {
  const chosen = element.matches("button,a") ? null : getSelection();
  return chosen !== null && chosen.type === "Range" && element.contains(chosen.anchorNode);
}

/** Give a cell of a matrix the title of its column. @param {Event} event */
function nameCell(event) {
  const cell = asHtml(event.target);
  if (!cell.matches(".rv-m i") || cell.title) return;
  const at = [...(cell.parentElement?.children ?? [])].indexOf(cell);
  const run = cell.closest("table")?.querySelectorAll(".rv-cols button")[at];
  if (run) cell.title = `${STATES[cell.className[0]]} · ${asHtml(run).title}`;
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
