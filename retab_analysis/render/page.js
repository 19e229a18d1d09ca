// @ts-check
/*
 * What a page does without a kernel: counts and a search filter, arrow keys walk, what is shown can
 * be exported, an address opens a row, texts are copied. A live page adds the kernel's events.
 * What is pressed, searched and unfolded lives in the browser alone.
 */

/** What a cell of a matrix shows, by its class. @type {{[letter: string]: string}} */
const STATES = {
  p: "passed", f: "failed", b: "blocked", e: "error", c: "cancelled", r: "running",
  n: "not yet", o: "not run",
};
/** @param {string} css @param {ParentNode} at @returns {any[]} */
const all = (css, at) => [...at.querySelectorAll(css)];
/** @param {Element} element @returns {any} */
const viewOf = (element) => element.closest(".rv-view");

/** What a row is searched by: all that it says, without the list of its runs. @param {any} row */
function textOf(row) {
  const inner = all("summary > .c, .rv-why, .rv-opened .rtd-edits", row).map((each) => each.textContent);
  const { kind, block, text } = row.dataset;
  return [kind, block, text, ...inner].join("\n").toLowerCase();
}

/** Hide the rows that do not fit, and what is empty then. @param {any} view */
function filter(view) {
  const field = view.querySelector(".rv-search"), found = view.querySelector(".rv-found");
  const asked = (field?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  // Of the counts and of what has run again: a union within, an intersection across.
  const pressed = all('.rv-chip[aria-pressed="true"]', view);
  const [again, kinds] = [true, false].map((is) => pressed.filter((each) => each.matches(".rv-between ~ * > *") === is).map((each) => each.dataset.kind));
  const rows = all("details.rv-row", view), isOn = asked.length > 0 || pressed.length > 0;
  if (!found || (!isOn && !view.folds)) return;
  let fitting = 0;
  for (const row of rows) {
    const text = asked.length ? textOf(row) : "";
    const progress = again.length ? row.querySelector("[data-progress]")?.dataset.progress : "";
    const fits = (!kinds.length || kinds.includes(row.dataset.kind)) && (!again.length || again.includes(progress)) && asked.every((/** @type {string} */ each) => text.includes(each));
    row.hidden = !fits;
    fitting += Number(fits);
  }
  const boxes = all(".rv-body > .rtd-card, .rv-body > .rtd-more", view);
  view.folds ??= new Map(); // what was open before
  for (const box of boxes) {
    const shows = box.querySelector("details.rv-row:not([hidden])") !== null;
    box.hidden = isOn && !shows;
    if (!box.matches("details")) continue;
    if (isOn && !view.folds.has(box)) view.folds.set(box, box.open);
    if (isOn) box.open = shows;
    else box.open = view.folds.get(box) ?? box.open;
  }
  for (const each of all(".rv-aside", view)) each.hidden = isOn;
  if (!isOn) view.folds = null;
  const said = fitting ? `${fitting} of ${rows.length} evals ` : "No eval has this. ";
  found.innerHTML = isOn ? '<span role="status"></span><button type="button" class="rv-button rv-all">Show all</button>' : "";
  if (isOn) found.firstChild.textContent = said;
  setStop(view);
}

/** The rows that can be walked to. @param {any} view @returns {any[]} */
const shownRows = (view) => all(".rv-row > summary", view).filter((each) => each.checkVisibility());

/** All rows of a view are one tab stop. @param {any} view @param {any} [to] */
function setStop(view, to) {
  const heads = all(".rv-row > summary", view);
  const isSeen = (/** @type {any} */ each) => each.checkVisibility();
  const row = to?.matches(".rv-row > summary") ? to : null;
  const next = row ?? heads.find((each) => each.getAttribute("tabindex") === "0" && isSeen(each)) ?? heads.find(isSeen);
  for (const each of heads) {
    const stop = each === next ? "0" : "-1";
    if (each.getAttribute("tabindex") !== stop) each.setAttribute("tabindex", stop);
  }
  for (const bar of all('[role="toolbar"]', view)) {
    const chips = all(".rv-chip", bar);
    const stop = chips.includes(to) ? to : (chips.find((each) => each.getAttribute("tabindex") === "0") ?? chips[0]);
    for (const each of chips) each.tabIndex = each === stop ? 0 : -1;
  }
}

/** @param {any} view */
function clear(view) {
  const field = view.querySelector(".rv-search");
  if (field) field.value = "";
  for (const each of all(".rv-chip", view)) each.setAttribute("aria-pressed", "false");
  filter(view);
  field?.focus();
}

/** The shown rows as a file; what a spreadsheet would execute gets an apostrophe. @param {any} view */
function exportRows(view) {
  const quote = (/** @type {string} */ text) =>
    `"${(/^[=+\-@\t]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
  const cell = (/** @type {any} */ row, /** @type {string} */ name) =>
    (row.querySelector(`summary > ${name}`)?.textContent ?? "").replace(/\s+/g, " ").trim().replace(/^(was|got) /, "");
  const lines = all("details.rv-row:not([hidden])", view).map((row) => [
    row.dataset.key, row.dataset.kind, row.dataset.block ?? "", row.querySelector(".rv-name")?.firstChild?.textContent ?? "",
    // Of tries: the first and the newest.
    ...(row.querySelector(".rv-try") ? [".rv-name small", ".rv-try", ".rv-last"] : [".rv-asserts", ".rv-was", ".rv-got"]).map((name) => cell(row, name)),
  ]);
  const table = [["eval_id", "word", "block", "eval", "asserts", "was", "got"], ...lines];
  const made = document.createElement("a");
  made.href = URL.createObjectURL(new Blob(["\ufeff" + table.map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
  made.download = `${view.dataset.name ?? "evals"}.csv`;
  made.click();
  URL.revokeObjectURL(made.href);
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

/** Fill the control line with the mode that a button names; back again, the focus is on that button. @param {any} button */
function turn(button) {
  const line = button.closest(".rv-actions"), { mode } = line.dataset, to = button.dataset.go;
  if (to) line.dataset.mode = to;
  else delete line.dataset.mode;
  line.querySelector(to ? `[data-is="${to}"] > :is(button, label > select), [data-is="${to}"] select` : `[data-go="${mode}"]`)?.focus();
}

/** Do what a click is for in the page; false where it is for somebody else. @param {any} target */
function answerClick(target) {
  const view = viewOf(target), chip = target.closest("button.rv-chip"), link = target.closest(".rv-link,[data-copy]");
  const go = target.closest("button[data-go]"), shows = target.closest("[data-show]");
  if (!view) return false;
  if (chip) {
    chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
    filter(view);
  } else if (target.closest(".rv-all")) clear(view);
  else if (go) turn(go);
  else if (shows) reveal(all("details.rv-row", view).find((each) => each.dataset.key === shows.dataset.show));
  else if (target.closest(".rv-export")) exportRows(view);
  else if (link) {
    const words = link.textContent;
    copy(link.dataset.copy ?? link.href, view).then((done) => {
      if (!done) return;
      link.textContent = "Copied";
      setTimeout(() => (link.textContent = words), 2000);
    });
  } else return false;
  return true;
}

/** Do what a key is for in the page; false where the browser does it. @param {any} event @param {any} target */
function answerKey(event, target) {
  const view = viewOf(target);
  if (!view || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
  if (event.key === "Escape" && target.matches(".rv-search")) {
    clear(view);
    return true;
  }
  const isRow = target.matches(".rv-row > summary");
  if (!isRow && !target.matches(".rv-chip")) return false;
  const items = isRow ? shownRows(view) : all(".rv-chip", view);
  const at = items.indexOf(target), forward = getComputedStyle(view).direction === "rtl" ? -1 : 1;
  const [before, after] = isRow ? ["ArrowUp", "ArrowDown"] : forward > 0 ? ["ArrowLeft", "ArrowRight"] : ["ArrowRight", "ArrowLeft"];
  /** @type {any} */
  const next = { [before]: items[at - 1] ?? target, [after]: items[at + 1] ?? target, Home: items[0], End: items.at(-1) }[event.key];
  if (!next) return false;
  setStop(view, next);
  next.focus();
  return true;
}

/** Give a cell of a matrix the title of its column. @param {any} event */
function nameCell({ target: cell, clientX }) {
  if (!(cell instanceof HTMLElement) || !cell.matches(".rv-m i")) return;
  const before = all("i", /** @type {any} */ (cell.parentElement)), size = (/** @type {any} */ each) => Number(each.style.getPropertyValue("--k") || 1);
  let at = before.slice(0, before.indexOf(cell)).reduce((sum, each) => sum + size(each), 0);
  const box = cell.getBoundingClientRect();
  at += Math.min(size(cell) - 1, Math.floor(((clientX - box.left) / box.width) * size(cell)));
  const title = viewOf(cell)?.querySelector("[data-runs]")?.dataset.runs.split("\n\n")[at];
  if (title) cell.title = `${STATES[cell.className[0]] ?? ""} · ${title}`;
}

/** A count becomes a button, and the search is there. @param {any} view */
function ready(view) {
  if (view.isReady) return;
  view.isReady = true;
  for (const chip of all("span.rv-chip", view)) {
    const made = document.createElement("button");
    made.className = "rv-chip";
    made.type = "button";
    made.dataset.kind = chip.dataset.kind;
    made.append(...chip.childNodes);
    made.setAttribute("aria-pressed", "false");
    chip.replaceWith(made);
  }
  const counts = view.querySelector(".rv-counts");
  for (const each of all(".rv-mode", view)) each.hidden = false;
  counts?.setAttribute("role", "toolbar");
  counts?.setAttribute("aria-label", "Show only");
  setStop(view);
}

/** Open the row that the address names. */
function openNamed() {
  reveal(location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1))));
}

/** Open a row, and all around it. @param {any} row */
function reveal(row) {
  if (!row || !row.matches(".rv-row")) return;
  for (let box = /** @type {any} */ (row); box; box = box.parentElement?.closest("details")) box.open = true;
  row.scrollIntoView({ block: "center" });
}

/** Hear what a person does on a page, but for its keys. @param {any} root @param {any} [options] */
function listen(root, options) {
  /** @param {string} name @param {(event: any) => void} call */
  const on = (name, call) => root.addEventListener(name, call, { capture: true, ...options });
  on("click", (event) => answerClick(event.target) && event.preventDefault());
  on("input", ({ target }) => target.matches(".rv-search") && filter(viewOf(target)));
  on("focusin", ({ target }) => target.matches(".rv-row > summary,.rv-chip") && setStop(viewOf(target), target));
  on("toggle", ({ target }) => target.matches(".rtd-more") && setStop(viewOf(target)));
  on("pointerover", nameCell);
}

/** Drive the pages of a document that nothing drives yet. @param {ParentNode} within */
function start(within) {
  for (const root of all(".rv:not([data-driven])", within)) {
    root.dataset.driven = "";
    listen(root);
    root.addEventListener("keydown", (/** @type {any} */ event) => answerKey(event, event.target) && event.preventDefault());
    all(".rv-view", root).forEach(ready);
  }
  addEventListener("hashchange", openNamed);
  openNamed();
}
