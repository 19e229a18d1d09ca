// @ts-check
/**
 * A page in a notebook: shows HTML that Python makes, and sends back what a person does with it.
 *
 * Python sends the page in sections, each the HTML of one `<div data-section>`. A section that has
 * changed is patched into what is there, so that focus, caret, selected text, scroll positions and
 * open `<details>` stay. What the HTML may ask for, by attributes:
 *
 * - `data-key`: what an element is, among those beside it; it is moved, and not made anew.
 * - `data-event`: a click, or a changed value of a field, is sent as `{event, key, value}`; the
 *   key is the nearest `data-key`, the value that of the control, or else `data-value`.
 * - `data-copy`: a click copies this text to the clipboard; no kernel is needed for it.
 * - `<table role="grid">` and `role="toolbar"` are one tab stop each: arrow keys, Home, End, Page Up
 *   and Page Down move in them, Enter and Space choose. What can have the focus in them (cells,
 *   buttons) has `tabindex="-1"`.
 * - A row of a grid that has become `aria-selected` is scrolled to within its grid.
 *
 * @typedef {{get(name: string): any, send(content: any): void,
 *   on(name: string, callback: (...given: any[]) => void): void,
 *   off(name: string, callback: (...given: any[]) => void): void}} Model
 */

const GAP_TYPING = 250; // milliseconds without a key before what was typed is sent
const PATIENCE = 1500; // milliseconds before a person is told that the kernel does not answer
const SHOWN_FOR = 2500; // milliseconds that a short notice stays
const GONE = "The kernel has ended or was restarted: run the cell again.";
const FOCUSABLE = "a[href],button,input,summary,[tabindex='0']";
const ROVING = 'table[role="grid"],[role="toolbar"]';

// ---------------------------------------------------------------------------------- patching

/** Attributes that belong to whoever sits at the browser, once the element is there. */
const OWNED = {
  open: "details",
  tabindex: "td,th,[role=toolbar] button",
  "data-copied": "*",
};

/** @param {Element} element @param {string} name */
function isOwned(element, name) {
  const where = OWNED[/** @type {keyof typeof OWNED} */ (name)];
  return where !== undefined && element.matches(where);
}

/** @param {Node | null} node */
function keyOf(node) {
  return node instanceof Element ? node.getAttribute("data-key") : null;
}

/** @param {Node} one @param {Node} other */
function isSameKind(one, other) {
  return one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
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
  patchAttributes(old, fresh);
  if (isText(old) && isText(fresh)) patch(asNode(old.firstChild), asNode(fresh.firstChild));
  else patchChildren(old, fresh);
}

/** Whether an element holds one text and nothing else, as most cells do. @param {Element} element */
function isText(element) {
  const first = element.firstChild;
  return first !== null && first === element.lastChild && first.nodeType === Node.TEXT_NODE;
}

/** @param {any} node @returns {Node} */
const asNode = (node) => node;

/** @param {Element} old @param {Element} fresh */
function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !isOwned(old, name)) {
      old.removeAttribute(name);
      setProperty(old, name, null);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !isOwned(old, name)) {
      old.setAttribute(name, value);
      setProperty(old, name, value);
    }
  }
}

/**
 * A control that was used no longer follows its attributes. It does so here, where Python has
 * changed them, and except in the field that is being typed in.
 *
 * @param {Element} element @param {string} name @param {string | null} value
 */
function setProperty(element, name, value) {
  if (element instanceof HTMLInputElement && name === "value" && !element.matches(":focus")) {
    element.value = value ?? "";
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
  return match !== null && isSameKind(match, next) ? match : null;
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

// ------------------------------------------------------------------- moving about with the keyboard

/**
 * What can have the focus in a grid or a toolbar, in rows.
 *
 * @param {Element} box
 * @returns {HTMLElement[][]}
 */
function rowsOf(box) {
  if (box instanceof HTMLTableElement) {
    const rows = [...box.rows].filter((row) => row.getClientRects().length > 0);
    return rows.map((row) => [...row.cells]);
  }
  return [[...box.querySelectorAll("button")]];
}

/** @param {any} element @returns {HTMLElement} */
const asHtml = (element) => element;

/** @param {HTMLElement[][]} rows @param {Element} item */
function placeOf(rows, item) {
  const row = rows.findIndex((each) => each.includes(asHtml(item)));
  return row < 0 ? null : { row, column: rows[row].indexOf(asHtml(item)) };
}

/**
 * How many rows are seen at once, less one. Rows may differ in height: by their mean, a page up
 * leads back to where a page down began.
 *
 * @param {Element} box @param {number} count
 */
function pageSize(box, count) {
  const height = box.getBoundingClientRect().height / count || 1;
  let around = box.parentElement;
  while (around && around.scrollHeight <= around.clientHeight) around = around.parentElement;
  const seen = around ? Math.min(around.clientHeight, window.innerHeight) : window.innerHeight;
  return Math.max(1, Math.floor(seen / height) - 1);
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
  const page = pageSize(box, rows.length);
  const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page };
  const sideways = getComputedStyle(box).direction === "rtl" ? -1 : 1;
  const aside = { ArrowLeft: -sideways, ArrowRight: sideways };
  const flat = rows.length === 1 ? aside : {};
  let { row, column } = place;
  if (event.key in steps) row += steps[/** @type {keyof typeof steps} */ (event.key)];
  else if (event.key in aside) column += aside[/** @type {keyof typeof aside} */ (event.key)];
  else if (event.key === "Home" || event.key === "End") {
    const last = event.key === "End";
    // With Ctrl, the ends are those of the first and the last row.
    if (event.ctrlKey) row = last ? rows.length - 1 : 0;
    column = last ? Infinity : 0;
  } else return null;
  row = Math.min(Math.max(row, 0), rows.length - 1);
  // A row of buttons goes round; a grid ends.
  const width = rows[row].length;
  if (event.key in flat) column = (column + width) % width;
  return rows[row][Math.min(Math.max(column, 0), width - 1)];
}

/** Make one item the tab stop of its box. @param {Element} box @param {Element} item */
function setStop(box, item) {
  for (const other of box.querySelectorAll('[tabindex="0"]')) {
    if (other !== item && other.closest(ROVING) === box) other.setAttribute("tabindex", "-1");
  }
  item.setAttribute("tabindex", "0");
}

// ------------------------------------------------------------------------------------- clipboard

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
    area.className = "ra-hidden";
    near.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

// ------------------------------------------------------------------------------------ the page

/** One place where the page is shown. */
class View {
  /** @param {Model} model @param {HTMLElement} host */
  constructor(model, host) {
    this.model = model;
    this.root = document.createElement("div");
    this.root.className = "ra-page";
    this.root.tabIndex = -1;
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", model.get("label"));
    /** @type {Map<string, HTMLElement>} */
    this.sections = new Map();
    /** @type {Set<string>} */
    this.changed = new Set();
    this.notice = document.createElement("div");
    this.notice.className = "ra-notice";
    this.notice.setAttribute("role", "status");
    this.stops = new AbortController();
    this.mark = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.sent = 0;
    this.revision = model.get("revision");
    /** Numbers of the events that the kernel has not answered yet. @type {Set<string>} */
    this.open = new Set();
    /** What was sent last of a control. @type {WeakMap<Element, any>} */
    this.told = new WeakMap();
    this.typing = 0;
    this.quiet = 0;
    /** The row of each grid that was selected last. @type {WeakMap<Element, string | null>} */
    this.selected = new WeakMap();
    this.build();
    this.listen();
    host.append(this.root);
    this.place = hideFallback(this.root, model.get("token"));
    this.settle();
  }

  build() {
    for (const name of this.model.get("sections")) {
      const section = document.createElement("div");
      section.dataset.section = name;
      section.innerHTML = this.model.get(`html_${name}`);
      this.sections.set(name, section);
      this.root.append(section);
    }
    this.root.append(this.notice);
  }

  listen() {
    const { root, model } = this;
    const options = { signal: this.stops.signal };
    for (const name of this.sections.keys()) this.on(`change:html_${name}`, () => this.mend(name));
    this.on("msg:custom", (message) => this.onAnswer(message));
    this.on("change:revision", () => this.count());
    // Said at once where the connection to the kernel's side is closed.
    this.on("comm_live_update", () => this.say(GONE, true));
    root.addEventListener("click", (event) => this.onClick(event), options);
    root.addEventListener("change", (event) => this.onChange(event), options);
    root.addEventListener("input", (event) => this.onInput(event), options);
    root.addEventListener("focusin", (event) => this.onFocus(event), options);
    // The notebook's own shortcuts (two d on a cell delete it) are read at the document. In
    // Notebook 7 they come before whatever the page could do at its root.
    window.addEventListener("keydown", (event) => this.onKey(event), { capture: true, ...options });
  }

  /** @param {string} name @param {(...given: any[]) => void} callback */
  on(name, callback) {
    this.model.on(name, callback);
    this.stops.signal.addEventListener("abort", () => this.model.off(name, callback));
  }

  dispose() {
    this.stops.abort();
    clearTimeout(this.typing);
    clearTimeout(this.quiet);
    this.place.remove();
    this.root.remove();
  }

  // Showing

  /** Patch a section, together with all others that the same message has changed. @param {string} name */
  mend(name) {
    if (this.changed.size === 0) queueMicrotask(() => this.mendAll());
    this.changed.add(name);
  }

  mendAll() {
    const focused = this.focused();
    const caret = caretOf(focused);
    const marked = markedIn(this.root);
    const box = focused?.closest(ROVING);
    const place = box && focused ? placeOf(rowsOf(box), focused) : null;
    const section = focused?.closest("[data-section]");
    // Before the patches: if one of them failed, the page would never be patched again.
    const changed = [...this.changed];
    this.changed.clear();
    for (const name of changed) {
      const fresh = document.createElement("template");
      fresh.innerHTML = `<div data-section="${name}">${this.model.get(`html_${name}`)}</div>`;
      const made = /** @type {Element} */ (fresh.content.firstChild);
      patchChildren(/** @type {Element} */ (this.sections.get(name)), made);
    }
    this.settle();
    if (marked) mark(marked);
    if (focused && (this.focused() !== focused || focused.matches(":disabled"))) {
      this.refocus(focused, caret, box && place ? nearest(box, place) : null, section);
    }
  }

  /**
   * Give the focus back: to the same element, or to what stands in its place now.
   *
   * @param {HTMLElement} focused @param {number[] | null} caret @param {HTMLElement | null} item
   * @param {Element | null | undefined} section
   */
  refocus(focused, caret, item, section) {
    const inside = focused.isConnected && !focused.matches(":disabled");
    const others = [...(section?.querySelectorAll(FOCUSABLE) ?? [])];
    const next = others.find((each) => !each.matches(":disabled"));
    const target = inside ? focused : (item ?? next ?? this.root);
    asHtml(target).focus({ preventScroll: true });
    if (inside && caret) /** @type {any} */ (focused).setSelectionRange(...caret);
  }

  /** Every grid and toolbar has one tab stop. */
  settle() {
    for (const box of this.root.querySelectorAll(ROVING)) {
      if (box.querySelector('[tabindex="0"]')) continue; // asking for rows costs a layout
      const first = rowsOf(box).find((row) => row.length > 0)?.[0];
      // Where the page is not in the document yet, nothing of it is seen.
      (first ?? box.querySelector("th,td"))?.setAttribute("tabindex", "0");
    }
    this.reveal();
  }

  /** Scroll a row that has become selected to where it is seen in its grid. */
  reveal() {
    for (const grid of this.root.querySelectorAll("table[role=grid]")) {
      const row = grid.querySelector("[aria-selected=true]");
      if (row === null || this.selected.get(grid) === keyOf(row)) continue;
      this.selected.set(grid, keyOf(row));
      const box = /** @type {Element} */ (grid.parentElement);
      const area = box.getBoundingClientRect();
      const head = grid.querySelector("thead")?.getBoundingClientRect().height ?? 0;
      const { top, bottom } = row.getBoundingClientRect();
      if (top < area.top + head) box.scrollTop -= area.top + head - top;
      else if (bottom > area.bottom) box.scrollTop += bottom - area.bottom;
    }
  }

  /** What has the focus in this page, also within a shadow root. @returns {HTMLElement | null} */
  focused() {
    const tree = /** @type {Document | ShadowRoot} */ (this.root.getRootNode());
    const active = tree.activeElement;
    return active && this.root.contains(active) ? asHtml(active) : null;
  }

  // Sending

  /** Notice a message that was lost: each has the next number. */
  count() {
    const now = this.model.get("revision");
    if (now > this.revision + 1) this.model.send({ event: "resync" });
    this.revision = now;
  }

  /** @param {HTMLElement} element @param {any} value */
  send(element, value) {
    const id = `${this.mark}-${(this.sent += 1)}`;
    const key = element.closest("[data-key]")?.getAttribute("data-key") ?? null;
    this.open.add(id);
    this.told.set(element, value);
    setTimeout(() => this.open.has(id) && this.say(this.model.get("busy"), true), PATIENCE);
    try {
      this.model.send({ id, event: element.dataset.event, key, value });
    } catch {
      this.say(this.model.get("busy"), true);
    }
  }

  /** @param {{answered?: string, error?: string}} message */
  onAnswer(message) {
    if (!message?.answered || !this.open.delete(message.answered)) return;
    if (message.error) this.say(message.error, true);
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
    const found = target.closest("[data-copy],[data-event]");
    if (!(found instanceof HTMLElement) || !this.root.contains(found)) return;
    if (found.matches(":disabled,[aria-disabled=true]")) return;
    if (found.dataset.copy !== undefined) this.copyFrom(found);
    else if (!isControl(found) && !isMarking(found)) this.send(found, found.dataset.value ?? null);
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
    const control = /** @type {any} */ (event.target).closest("[data-event]");
    if (!control || !isControl(control)) return;
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
    if (box && item && rowsOf(box).flat().includes(asHtml(item))) setStop(box, item);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const path = event.composedPath();
    if (!path.includes(this.root)) return;
    const target = asHtml(path[0]);
    if (this.answerKey(event, target)) event.preventDefault();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "Enter" && event.shiftKey) return;
    event.stopImmediatePropagation();
  }

  /**
   * Do what a key is for in the page; false where the browser does it.
   *
   * @param {KeyboardEvent} event @param {HTMLElement} target
   */
  answerKey(event, target) {
    const box = target.closest(ROVING);
    if (!box || event.metaKey || event.altKey || target.matches("input")) return false;
    if (event.key === "Enter" || event.key === " ") return !event.ctrlKey && choose(target);
    const item = asHtml(target.closest("td,th") ?? target);
    const next = event.shiftKey ? null : findTarget(box, item, event);
    next?.focus();
    return next !== null;
  }
}

/**
 * Do what an item of a grid is for: its button, or its own or its row's click.
 *
 * @param {HTMLElement} item
 */
function choose(item) {
  if (item.matches("button,a,summary")) return false; // the browser clicks it
  const control = item.querySelector("button,a,input");
  if (control) asHtml(control).click();
  else item.click();
  return true;
}

/** @param {HTMLElement} element */
function isControl(element) {
  return element.matches("input");
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

/** @param {any} element @returns {number[] | null} */
function caretOf(element) {
  const has = element?.matches("input") && element.selectionStart !== null;
  return has ? [element.selectionStart, element.selectionEnd] : null;
}

/** The text that somebody has marked on the page. @param {Element} root */
function markedIn(root) {
  const chosen = getSelection();
  if (!chosen || chosen.type !== "Range" || !root.contains(chosen.anchorNode)) return null;
  const { anchorNode, anchorOffset, focusNode, focusOffset } = chosen;
  return { anchorNode, anchorOffset, focusNode, focusOffset };
}

/** Mark it again: a browser forgets it where its line is moved. @param {any} marked */
function mark({ anchorNode, anchorOffset, focusNode, focusOffset }) {
  const chosen = getSelection();
  if (!anchorNode.isConnected || !focusNode.isConnected || chosen?.type === "Range") return;
  /** @param {Node} node */
  const end = (node) => node.nodeValue?.length ?? node.childNodes.length;
  const from = Math.min(anchorOffset, end(anchorNode));
  chosen?.setBaseAndExtent(anchorNode, from, focusNode, Math.min(focusOffset, end(focusNode)));
}

/** @param {Element} box @param {{row: number, column: number}} place */
function nearest(box, place) {
  const rows = box.isConnected ? rowsOf(box) : [];
  const row = rows[Math.min(place.row, rows.length - 1)];
  return row?.[Math.min(place.column, row.length - 1)] ?? null;
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
  /** @param {{model: Model, el: HTMLElement}} given */
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.dispose();
  },
};
