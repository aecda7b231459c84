"use strict";
const find = id => document.getElementById(id);
const data = JSON.parse(find("data").textContent);
const video = find("video"), host = find("curve"), rowsOf = id => [...document.querySelectorAll(`#${id} tbody tr`)];
const rows = rowsOf("events"), low = rowsOf("demoted");
const EDGE = { left: 38, right: 12, top: 18, bottom: 22 };
let now = 0, chart = null;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const pad = value => String(value).padStart(2, "0");

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, ticks = Math.round(Math.max(0, seconds) * unit), total = Math.floor(ticks / unit);
  const hours = Math.floor(total / 3600), minutes = Math.floor(total / 60) % 60;
  return (hours ? `${hours}:${pad(minutes)}` : minutes) + ":" + pad(total % 60) + (digits ? "." + ticks % unit : "");
}

function shape(parent, name, attributes, text) {
  const node = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// One path per curve, broken between two runs and where a value is missing.
function path(name, x, y) {
  let pen = "M", run = -1;
  return data.t.map((t, i) => {
    if (data.run[i] !== run) { pen = "M"; run = data.run[i]; }
    if (data[name][i] === null) { pen = "M"; return ""; }
    const step = `${pen}${x(t).toFixed(1)} ${y(data[name][i]).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
}

function axes(svg, x, y, width, height) {
  const [low, high] = data.limits, step = data.ticks.find(s => data.duration / s <= (width - 50) / 75) || data.duration;
  for (const part of [0, .5, 1]) {
    const value = low + part * (high - low);
    shape(svg, "line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) });
    shape(svg, "text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, +value.toPrecision(3));
  }
  for (let t = 0; t <= data.duration; t += step) {
    const anchor = t === 0 ? "start" : x(t) > width - 30 ? "end" : "middle";
    shape(svg, "text", { x: x(t), y: height - 6, "text-anchor": anchor }, clock(t, 0));
  }
}

function spans(svg, x, width, height) {
  const hatch = shape(shape(svg, "defs", {}), "pattern",
    { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  shape(hatch, "line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 6 });
  const box = (a, b) => ({ x: x(a), width: Math.max(1, x(b) - x(a)), y: EDGE.top, height: height - EDGE.top - EDGE.bottom });
  for (const [a, b] of data.unread) shape(svg, "rect", { class: "unread", ...box(a, b) });
  for (const [a, b] of data.gaps) shape(svg, "rect", { ...box(a, b), fill: "url(#hatch)" });
  for (const [a, b] of data.demoted) shape(svg, "rect", { class: "low", ...box(a, b) });
  let free = 0;
  data.events.forEach(([a, b], k) => {
    shape(svg, "rect", { class: "band", ...box(a, b) });
    shape(svg, "line", { class: "edge", x1: x(a), x2: x(a), y1: EDGE.top, y2: height - EDGE.bottom });
    if (x(a) < free) return;
    shape(svg, "text", { class: "number-of", x: x(a) + 7, y: EDGE.top - 5 }, k + 1);
    free = x(a) + 24;
  });
}

function draw() {
  const { width, height } = host.getBoundingClientRect(), [low, high] = data.limits;
  const x = t => EDGE.left + t / data.duration * (width - EDGE.left - EDGE.right);
  const y = v => height - EDGE.bottom - (v - low) / (high - low) * (height - EDGE.top - EDGE.bottom);
  host.replaceChildren();
  const svg = shape(host, "svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  axes(svg, x, y, width, height);
  spans(svg, x, width, height);
  for (const name of ["raw", "threshold", "smoothed"]) shape(svg, "path", { class: name + (data.t.length > width ? " dense" : ""), d: path(name, x, y) });
  chart = { x, y, line: shape(svg, "line", { class: "now", y1: EDGE.top - 4, y2: height - EDGE.bottom }),
    knob: shape(svg, "circle", { class: "knob", r: 4, cy: EDGE.top - 4 }) };
  move();
}

function scoreAt(time) {
  if (data.gaps.some(([a, b]) => time >= a && time < b)) return "not scored";
  if (data.unread.some(([a, b]) => time >= a && time < b)) return "not read";
  let best = 0;
  data.t.forEach((t, i) => { if (Math.abs(t - time) <= Math.abs(data.t[best] - time)) best = i; });
  return `score ${data.smoothed[best].toFixed(2)}`;
}

function mark(spans, rows) {
  spans.forEach(([a, b], k) => {
    const inside = now >= a - 1e-3 && now < b, row = rows[k];
    if (inside && !row.hasAttribute("aria-current")) { row.setAttribute("aria-current", "true"); reveal(row); }
    if (!inside) row.removeAttribute("aria-current");
  });
}

// Everything that follows the time: playhead, slider, rows.
function move() {
  mark(data.events, rows);
  mark(data.demoted, low);
  if (!chart) return;
  for (const [node, keys] of [[chart.line, ["x1", "x2"]], [chart.knob, ["cx"]]])
    for (const key of keys) node.setAttribute(key, chart.x(now));
  host.setAttribute("aria-valuenow", now.toFixed(3));
  host.setAttribute("aria-valuetext", `${clock(now)}, ${scoreAt(now)}`);
  find("readout").textContent = `${clock(now)}   ${scoreAt(now)}`;
}

// Scroll the list only, not the page.
function reveal(row) {
  const list = row.closest("section"), head = 36;
  if (list.scrollHeight <= list.clientHeight || !row.offsetHeight) return;
  const top = row.getBoundingClientRect().top - list.getBoundingClientRect().top;
  if (top < head || top + row.offsetHeight > list.clientHeight) list.scrollTop += top - head;
}

function seek(time) {
  now = clamp(time, 0, data.duration);
  if (video) video.currentTime = now;
  move();
}

function visit(k, spans = data.events, name = "Event") {
  const [start, end] = spans[k];
  seek(start);
  find("said").textContent = `${name} ${k + 1} of ${spans.length}, from ${clock(start)} to ${clock(end)}`;
}

function next(step) {
  const found = step > 0 ? data.events.findIndex(([a]) => a > now + .05) : data.events.findLastIndex(([a]) => a < now - .5);
  if (found >= 0) visit(found);
}

function unpack(uri) {
  const comma = uri.indexOf(","), parts = [];
  for (let at = comma + 1; at < uri.length; at += 1 << 20)
    parts.push(Uint8Array.from(atob(uri.slice(at, at + (1 << 20))), c => c.charCodeAt(0)));
  return new Blob(parts, { type: uri.slice(5, comma).split(";")[0] });
}

function follow() {
  now = video.currentTime;
  move();
  if (!video.paused) requestAnimationFrame(follow);
}

function at(pointer) {
  const box = host.getBoundingClientRect();
  return (pointer.clientX - box.left - EDGE.left) / (box.width - EDGE.left - EDGE.right) * data.duration;
}

if (video) {
  for (const name of ["play", "seeking", "seeked", "timeupdate"])
    video.addEventListener(name, () => { if (video.readyState > 0) { now = video.currentTime; move(); } });
  video.addEventListener("play", follow);
  video.addEventListener("error", () => { find("trouble").hidden = false; });
  const packed = find("packed");
  if (packed) { video.src = URL.createObjectURL(unpack(packed.textContent)); packed.remove(); }
}
if (host) {
  new ResizeObserver(draw).observe(host);
  host.addEventListener("pointerdown", e => { host.setPointerCapture(e.pointerId); seek(at(e)); });
  host.addEventListener("pointermove", e => {
    if (e.buttons) seek(at(e));
    else find("readout").textContent = `${clock(clamp(at(e), 0, data.duration))}   ${scoreAt(at(e))}`;
  });
  host.addEventListener("pointerleave", move);
  host.addEventListener("keydown", e => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[e.key];
    if (step) seek(now + step);
    else if (e.key === "Home" || e.key === "End") seek(e.key === "End" ? data.duration : 0);
    else return;
    e.preventDefault();
  });
}
for (const [list, ...about] of [[rows, data.events, "Event"], [low, data.demoted, "Demoted event"]])
  list.forEach((row, k) => row.addEventListener("click", e => {
    if (e.target.closest("button") || !String(getSelection())) visit(k, ...about);  // selecting text does not jump
  }));
document.addEventListener("keydown", e => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "n" || e.key === "p") next(e.key === "n" ? 1 : -1);
  else if (e.key === " " && video && !e.target.closest("button, summary, video")) {
    if (video.paused) video.play(); else video.pause();
    e.preventDefault();
  }
});
