// Keeps an open page as the server renders it. The page is whole without this script.
//
// One EventSource per page brings the parts that have changed as HTML; morph() puts the differences into the document so
// that focus, selections, open details and what was typed stay. What only the clock changes is written by tick().

const offset = Date.parse(document.body.dataset.now) - Date.now();
const now = () => Date.now() + offset;

function span(seconds) {
  if (seconds < 0) seconds = 0;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 1) return Math.floor(seconds * 1000) + " ms";
  if (seconds < 10) return seconds.toFixed(1) + " s";
  if (seconds < 60) return Math.floor(seconds) + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min " + two(seconds % 60) + " s";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h " + two((seconds % 3600) / 60) + " min";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

function distance(seconds) {
  const s = Math.abs(seconds);
  const text = s < 60 ? Math.floor(s) + " s" : s < 3600 ? Math.floor(s / 60) + " min" : s < 172800 ? Math.floor(s / 3600) + " h" : Math.floor(s / 86400) + " d";
  return seconds > 0 ? "in " + text : text + " ago";
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  for (const e of document.querySelectorAll("[data-since]")) write(e, span((now() - Date.parse(e.dataset.since)) / 1000));
  for (const e of document.querySelectorAll("[data-ago]")) write(e, distance((Date.parse(e.dateTime) - now()) / 1000));
  for (const e of document.querySelectorAll("[data-if-empty]")) e.hidden = document.getElementById(e.dataset.ifEmpty).childElementCount > 0;
}

// ticked elements are written here; kept ones are filled by events of their own.
const ours = (e) => e.hasAttribute("data-since") || e.hasAttribute("data-ago") || e.hasAttribute("data-keep");

function attributes(from, to) {
  for (const a of [...from.attributes]) {
    if (a.name === "open" || a.name === "hidden" || to.hasAttribute(a.name)) continue;
    from.removeAttribute(a.name);
  }
  for (const a of to.attributes) {
    if (a.name !== "open" && from.getAttribute(a.name) !== a.value) from.setAttribute(a.name, a.value);
  }
}

const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.nodeType !== 1 || a.id === b.id);

// morph makes the children of from those of to, changing as little as it can. Elements with ids are found again when they move.
function morph(from, to) {
  const known = new Map();
  for (const c of from.children) if (c.id) known.set(c.id, c);
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    const moved = want.id && known.get(want.id);
    if (moved && moved !== at) {
      from.insertBefore(moved, at);
      at = moved;
    }
    if (at && same(at, want)) {
      if (at.nodeType === 1) {
        attributes(at, want);
        if (!ours(want)) morph(at, want);
      } else if (at.nodeValue !== want.nodeValue) {
        at.nodeValue = want.nodeValue;
      }
      at = at.nextSibling;
    } else {
      from.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function parse(html, like) {
  const range = document.createRange();
  range.selectNode(like);
  const box = like.cloneNode(false);
  box.append(range.createContextualFragment(html));
  return box;
}

function show(id, html) {
  const target = document.getElementById(id);
  if (!target) return;
  morph(target, parse(html, target));
  tick();
}

function addLines(html, anew) {
  const log = document.getElementById("log");
  if (!log) return;
  const atEnd = anew || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  if (anew) log.textContent = "";
  log.append(...parse(html, log).childNodes);
  while (log.childElementCount > 5000) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
  tick();
}

let source = null;

// since when nothing was heard of the server; 0: it is heard of.
let silent = 0;

function heard() {
  silent = 0;
  link("live", false);
}

function missed() {
  silent ||= now();
}

function link(text, lost) {
  const e = document.getElementById("link");
  if (!e) return;
  write(e, text);
  e.classList.toggle("lost", lost);
}

// A server that starts again is soon back; who is away for longer is told of.
function patience() {
  if (!silent || now() - silent < 3000) return;
  link("Not live since " + new Date(silent).toISOString().slice(11, 19) + " UTC: the server does not answer. Connecting again…", true);
}

function open() {
  const page = document.body.dataset.live;
  if (!page || source || document.hidden) return;
  source = new EventSource("/live?page=" + encodeURIComponent(page));
  source.addEventListener("error", () => {
    missed();
    if (source && source.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(open, 3000);
    }
  });
  source.addEventListener("main", (e) => (heard(), show("main", e.data)));
  source.addEventListener("strip", (e) => (heard(), show("strip", e.data)));
  source.addEventListener("log-reset", (e) => (heard(), addLines(e.data, true)));
  source.addEventListener("log", (e) => (heard(), addLines(e.data, false)));
}

function close() {
  if (source) source.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);

// A graph that is larger than its place is moved by dragging, and starts where its first tasks are.
const canvas = document.querySelector(".canvas");
if (canvas) {
  const first = canvas.querySelector(".graph .node")?.getBoundingClientRect();
  const box = canvas.getBoundingClientRect();
  if (first) canvas.scrollTop = first.top + first.height / 2 - box.top - canvas.clientHeight / 2;
  let from = null;
  canvas.addEventListener("pointerdown", (e) => {
    if (e.pointerType === "mouse" && e.button === 0) from = { x: e.clientX, y: e.clientY, left: canvas.scrollLeft, top: canvas.scrollTop };
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!from || (!canvas.classList.contains("drag") && Math.hypot(e.clientX - from.x, e.clientY - from.y) < 5)) return;
    canvas.classList.add("drag");
    canvas.scrollTo(from.left + from.x - e.clientX, from.top + from.y - e.clientY);
  });
  addEventListener("pointerup", () => {
    from = null;
    setTimeout(() => canvas.classList.remove("drag"));
  });
  canvas.addEventListener("click", (e) => canvas.classList.contains("drag") && e.preventDefault(), true);
  canvas.addEventListener("dragstart", (e) => e.preventDefault());
}

const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight;
setInterval(() => {
  tick();
  patience();
}, 1000);
tick();
open();
