"use strict";
const find = id => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const spoken = kind => kind.replace("_", " "), anomalous = kind => kind === "true_alarm" || kind === "missed";
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function clock(seconds, digits = 1) {
  const unit = 10 ** digits, ticks = Math.round(Math.max(0, seconds) * unit), total = Math.floor(ticks / unit);
  const pad = value => String(value).padStart(2, "0"), hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return (hours ? `${hours}:${pad(minutes)}` : minutes) + ":" + pad(total % 60) + (digits ? "." + ticks % unit : "");
}

// A message in the live region, seen by all and read by screen readers.
function say(text) {
  const said = find("said");
  said.textContent = "";
  requestAnimationFrame(() => { said.textContent = text; });
}

document.addEventListener("htmx:responseError", e => say(e.detail.xhr.responseText.slice(0, 400)));
document.addEventListener("htmx:sendError", () => say("The server does not answer. Nothing was changed."));
document.addEventListener("htmx:afterRequest", e => {
  if (e.detail.xhr.getResponseHeader("HX-Refresh")) sessionStorage.setItem("said", e.detail.xhr.responseText);
});
document.addEventListener("click", e => {
  if (e.target.closest("[data-act=dismiss]")) e.target.closest(".proposal").remove();
});
// A missing picture leaves an empty space instead of the broken-image sign.
document.addEventListener("error", e => { if (e.target.tagName === "IMG") e.target.classList.add("none"); }, true);

function carryOver() {
  const said = sessionStorage.getItem("said");
  sessionStorage.removeItem("said");
  if (said) say(said);
}

function bulk() {
  const form = find("moments"), boxes = [...form.querySelectorAll("input[name=span]")];
  const tell = () => { find("chosen").textContent = `${boxes.filter(box => box.checked).length || "none"} selected`; };
  find("all").addEventListener("change", e => { boxes.forEach(box => { box.checked = e.target.checked; }); tell(); });
  form.addEventListener("change", tell);
}

// Saliency by layer, one small chart for each curve.
function layers() {
  const host = find("layers"), curves = JSON.parse(host.dataset.curves), names = JSON.parse(host.dataset.names);
  for (const [key, name] of names) {
    if (!curves[key]) continue;
    const part = (suffix, sign) => curves[`${key}_null_mean`] ? curves[`${key}_null_mean`].map((m, i) => m + sign * curves[`${key}_null_std`][i]) : null;
    const low = part("std", -1), high = part("std", 1), stroke = colour("smoothed");
    const chosen = curves.layers.indexOf(curves.chosen), quiet = { stroke: colour("raw"), points: { show: false } };
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    new uPlot({
      title: name, width: Math.min(420, host.clientWidth - 8), height: 200, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false } },
      axes: [{ ...axis, incrs: [1, 2, 4, 8, 16] }, { ...axis, size: 56 }],
      series: [{}, { stroke, width: 2, points: { show: true, size: 6 } }, ...(low ? [quiet, quiet] : []),
        { stroke: colour("threshold"), points: { show: true, size: 11, fill: colour("threshold") } }],
      bands: low ? [{ series: [3, 2], fill: colour("band-null") }] : [],
    }, [curves.layers, curves[key], ...(low ? [low, high] : []), curves[key].map((v, i) => i === chosen ? v : null)], host);
  }
}

// The list of keys: a dialog, so that Escape closes it and the focus returns to where it was.
function keyList() {
  const list = find("keys");
  find("show-keys").addEventListener("click", () => list.showModal());
  document.addEventListener("keydown", e => {
    if (e.key !== "?" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea")) return;
    if (list.open) list.close(); else list.showModal();
    e.preventDefault();
  });
}

function start() {
  carryOver();
  keyList();
  if (find("moments")) bulk();
  if (find("layers")) layers();
  if (find("video-page")) timeline(find("video-page").dataset);
}

// One video. Everything below depends on `now`, `threshold`, `view` and the list of rows.
function timeline(about) {
  const duration = +about.duration, low = +about.low, high = +about.high, step = +about.step;
  const base = `/v/${about.video}`, plot = find("plot"), handle = find("handle"), hover = find("hover");
  const gaps = [...document.querySelectorAll("[data-gap-start]")].map(g => [+g.dataset.gapStart, +g.dataset.gapEnd]);
  const unread = [...document.querySelectorAll("[data-unread-start]")].map(g => [+g.dataset.unreadStart, +g.dataset.unreadEnd]);
  let now = 0, threshold = +find("events").dataset.threshold, view = [0, duration], data = null, chart = null;
  let rows = [], chosen = -1, leave = false, asked = null, asking = false, turn = Promise.resolve(), again = null;
  let demoted = find("events").dataset.demoted === "1";
  const video = () => find("video");

  function readRows() {
    rows = [...document.querySelectorAll("#events .row")].map(node => ({
      node, start: +node.dataset.start, end: +node.dataset.end, found: node.dataset.found === "1", low: node.dataset.demoted === "1", kind: node.dataset.kind }));
    if (chart) chart.redraw(false);
  }

  // Drawing

  function outline(ctx, ...box) {
    ctx.strokeStyle = colour("event");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.strokeRect(...box);
    ctx.setLineDash([]);
  }

  function areas(u) {
    const { ctx, bbox } = u, x = t => u.valToPos(t, "x", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const seen = (a, b) => b > view[0] && a < view[1];
    for (const { start, end, found, low, kind } of rows) if (seen(start, end)) {
      ctx.fillStyle = found && !low ? colour("band") : "transparent";
      ctx.fillRect(x(start), bbox.top, Math.max(2, x(end) - x(start)), bbox.height);
      if (low) outline(ctx, x(start), bbox.top, Math.max(2, x(end) - x(start)), bbox.height);
      if (kind) {
        ctx.fillStyle = colour(kind === "true_alarm" || kind === "missed" ? "threshold" : "good");
        ctx.fillRect(x(start), bbox.top + bbox.height - 6 * devicePixelRatio, Math.max(3, x(end) - x(start)), 6 * devicePixelRatio);
      }
    }
    ctx.fillStyle = colour("hatch");
    ctx.globalAlpha = 0.22;
    for (const [a, b] of unread) if (seen(a, b)) {
      const left = Math.max(x(a), bbox.left), right = Math.min(x(b), bbox.left + bbox.width);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    ctx.globalAlpha = 1;
    ctx.strokeStyle = colour("hatch");
    ctx.lineWidth = devicePixelRatio;
    for (const [a, b] of gaps) if (seen(a, b)) {
      const left = Math.max(x(a), bbox.left), right = Math.min(Math.max(x(b), x(a) + 2), bbox.left + bbox.width);
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, bbox.top, right - left, bbox.height);
      ctx.clip();
      ctx.beginPath();
      for (let k = left - bbox.height; k < right; k += 7 * devicePixelRatio) { ctx.moveTo(k, bbox.top + bbox.height); ctx.lineTo(k + bbox.height, bbox.top); }
      ctx.stroke();
      ctx.restore();
    }
    ctx.restore();
  }

  function draw() {
    if (!data) return;
    if (chart) chart.destroy();
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    chart = new uPlot({
      width: plot.clientWidth, height: plot.clientHeight, legend: { show: false },
      scales: { x: { time: false, range: () => view }, y: { range: [low, high] } },
      axes: [{ ...axis, values: (_, splits) => splits.map(s => clock(s, view[1] - view[0] < 8 ? 1 : 0)), space: 70, size: 28,
        incrs: [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400] }, { ...axis, size: 44 }],
      series: [{}, { stroke: colour("raw"), width: 1, points: { show: false } }, { stroke: colour("smoothed"), width: 2.2, points: { show: false } },
        { stroke: colour("threshold"), width: 1, dash: [5, 4], points: { show: false }, show: about.adaptive === "1" }],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      hooks: { drawClear: [areas], setSelect: [zoomTo], ready: [settle], setSize: [settle] },
    }, [data.t, data.raw, data.smoothed, data.threshold], plot);
    const line = document.createElement("div");
    line.id = "playhead";
    chart.over.append(line);
    chart.over.addEventListener("click", e => { if (e.detail && !chart.moved) seek(chart.posToVal(e.offsetX, "x")); chart.moved = false; });
    chart.over.addEventListener("pointermove", e => preview(e));
    chart.over.addEventListener("pointerleave", () => { hover.hidden = true; });
  }

  // uPlot computes its layout after it is created.
  function settle(u) {
    chart = u;
    follow();
    place();
  }

  function zoomTo(u) {
    if (u.select.width < 8) return;
    u.moved = true;
    const span = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    look(...span);
  }

  async function look(from, to) {
    const wide = clamp(to - from, Math.min(duration, 2), duration), first = clamp(from, 0, duration - wide);
    const answer = await fetch(`${base}/curve.json?start=${first}&end=${first + wide}`);
    if (!answer.ok) return say(await answer.text());
    view = [first, first + wide];
    data = await answer.json();
    draw();
  }

  function zoom(factor) {
    const middle = now >= view[0] && now <= view[1] ? now : (view[0] + view[1]) / 2, half = (view[1] - view[0]) * factor / 2;
    look(middle - half, middle + half);
  }

  // Time

  function scoreAt(time) {
    if (gaps.some(([a, b]) => time >= a && time < b)) return "not scored";
    if (unread.some(([a, b]) => time >= a && time < b)) return "not read";
    if (!data || !data.t.length) return "not scored";
    let a = 0, b = data.t.length - 1;
    while (b - a > 1) { const m = (a + b) >> 1; if (data.t[m] <= time) a = m; else b = m; }
    const value = data.smoothed[time - data.t[a] < data.t[b] - time ? a : b];
    return value === null ? "not scored" : `score ${value.toFixed(2)}`;
  }

  function follow() {
    const text = `${clock(now)}, ${scoreAt(now)}`;
    plot.setAttribute("aria-valuenow", now.toFixed(3));
    plot.setAttribute("aria-valuetext", text);
    find("readout").textContent = text;
    const line = find("playhead");
    if (!line) return;
    line.hidden = now < view[0] || now > view[1];
    line.style.left = `${chart.valToPos(now, "x")}px`;
    const here = rows.findIndex(r => now >= r.start - .05 && now < r.end - .05);
    if (here >= 0 && here !== chosen) choose(here);
  }

  function seek(time) {
    now = clamp(time, 0, duration);
    if (video()) video().currentTime = now;
    if (chart && (now < view[0] || now > view[1])) { const half = (view[1] - view[0]) / 2; look(now - half, now + half); }
    follow();
  }

  function preview(e) {
    const time = clamp(chart.posToVal(e.offsetX, "x"), 0, duration);
    hover.hidden = e.pointerType === "touch";
    hover.lastElementChild.textContent = `${clock(time)}, ${scoreAt(time)}`;
    hover.style.left = `${clamp(chart.over.offsetLeft + e.offsetX - 70, 0, plot.clientWidth - 150)}px`;
    clearTimeout(hover.wait);
    hover.wait = setTimeout(() => { const image = find("hover-picture"); image.classList.remove("none"); image.src = `/preview/${about.video}/${Math.round(time / step)}.jpg`; }, 60);
  }

  // Events

  function choose(index, quietly = true) {
    rows[chosen]?.node.removeAttribute("aria-current");
    chosen = index;
    leave = false;
    again = null;
    const row = rows[index];
    if (!row) return;
    row.node.setAttribute("aria-current", "true");
    const list = row.node.closest(".side"), top = row.node.offsetTop - list.scrollTop;
    if (top < 48 || top + row.node.offsetHeight > list.clientHeight) list.scrollTop = row.node.offsetTop - 60;
    if (!quietly) say(`Event ${index + 1} of ${rows.length}, ${clock(row.start)} to ${clock(row.end)}${row.kind ? ", " + spoken(row.kind) : ""}`);
  }

  function jump(index) {
    if (!rows[index]) return;
    choose(index, false);
    seek(rows[index].start);
    remember();
  }

  // The next event without a judgement after the one at `from`, then from the start; -1 for none.
  function open(from) {
    const is = row => row.found && !row.kind, later = rows.findIndex((row, k) => k > from && is(row));
    return later >= 0 ? later : rows.findIndex(is);
  }

  function noneLeft() {
    const events = rows.filter(row => row.found).length;
    const here = events ? `No event of this video is left to judge (${events} judged).` : "This video has no event.";
    return here + (about.open ? ` Press n for ${about.openName}, which has some.` : " No other video has one left either.");
  }

  function next(direction) {
    const from = chosen >= 0 ? chosen : direction > 0 ? rows.findIndex(r => r.start >= now - .05) - 1 : rows.length;
    const index = from + direction, to = open(-1) < 0 && about.open || about.after;
    if (leave && direction > 0) { location.href = `/v/${to}${demoted ? "?demoted=1" : ""}`; return; }
    if (rows[index]) return jump(index);
    if (direction < 0) return say("This is the first event.");
    if (!to) return say("This is the last event of the last video.");
    leave = true;
    say("This is the last event. Press again for the next video.");
  }

  // One request at a time: of several waiting requests htmx would send only the newest.
  function inTurn(act) {
    turn = turn.then(act, act);
    return turn;
  }

  // True if the list was replaced. After an error it stays as it was, and the error has been shown.
  async function listed(method, address, values) {
    const head = find("events-head");
    await htmx.ajax(method, address, { target: "#events", swap: "outerHTML", values }).catch(() => {});
    return find("events-head") !== head;
  }

  // Sends the version of the list that is shown, so that the server answers with the changed rows only.
  async function send(address, values) {
    const before = rows[chosen]?.start ?? now, { version } = find("events-head").dataset;
    if (!await listed("POST", address, { threshold, demoted, version, ...values })) return false;
    after(before);
    say(find("events-head").dataset.said);
    return true;
  }

  function after(time) {
    readRows();
    chosen = -1;
    choose(rows.findIndex(r => Math.abs(r.start - time) < .01));
  }

  // A key does not replace a judgement unless it is pressed twice; a button of a row names its row.
  function keeps(row, kind) {
    const same = anomalous(row.kind) === anomalous(kind);
    if (again === kind && !same) return false;
    again = same ? null : kind;
    say(`${clock(row.start)} is judged already: ${spoken(row.kind)}.` + (same ? "" : " Press again to replace it."));
    return true;
  }

  // Judges the clicked row, or the one chosen when its turn comes (the judgement before may have moved on).
  async function judge(kind, clicked = null) {
    if (clicked) choose(rows.findIndex(r => r.start === clicked.start && r.end === clicked.end));
    const row = rows[chosen];
    if (!row) return say(rows.length ? "No event is selected. Press n for the first one." : noneLeft());
    if (row.kind && !clicked && keeps(row, kind)) return;
    if (!await send(`${base}/judge`, { kind, start: row.start, end: row.end })) return;
    const { said } = find("events-head").dataset, to = open(chosen);
    if (to < 0) { leave = Boolean(about.open); return say(`${said}. ${noneLeft()}`); }
    choose(to);
    seek(rows[to].start);
    remember();
    say(`${said}. Now event ${to + 1} of ${rows.length}, ${clock(rows[to].start)}.`);
  }

  // Asks before a span covers judgements that say otherwise.
  async function judgeSpan(kind, from, to) {
    const wrong = rows.filter(r => r.kind && anomalous(kind) !== anomalous(r.kind) && r.start < to && from < r.end);
    const key = `${from} ${to} ${kind}`;
    if (wrong.length && again !== key) {
      again = key;
      say(`${clock(wrong[0].start)} is judged already: ${spoken(wrong[0].kind)}.` + " Do it again to replace what was judged in this span.");
      return false;
    }
    return send(`${base}/judge`, { kind, start: from, end: to });
  }

  async function mark(kind) {
    const [from, to] = [find("mark-start"), find("mark-end")].map(field => parseTime(field.value));
    if (!(to > from)) return say("Set the start with [ and the end with ], or type both times.");
    if (await judgeSpan(kind, from, to)) find("mark-start").value = find("mark-end").value = "";
  }

  function parseTime(text) {
    return text.trim() === "" ? NaN : text.split(":").reduce((total, part) => total * 60 + Number(part), 0);
  }

  // Threshold

  function place() {
    const top = chart.over.offsetTop + chart.valToPos(clamp(threshold, low, high), "y");
    handle.style.top = `${top}px`;
    handle.style.left = `${chart.over.offsetLeft}px`;
    handle.style.width = `${chart.over.offsetWidth}px`;
    handle.setAttribute("aria-valuenow", threshold.toFixed(3));
    handle.firstElementChild.textContent = threshold.toFixed(3);
  }

  function lift(value) {
    threshold = clamp(value, low, high);
    place();
    asked = threshold;
    if (!asking) catchUp();
  }

  // One request at a time, always for the newest threshold.
  async function catchUp() {
    let answered = false;
    asking = true;
    while (asked !== null) {
      const value = asked;
      asked = null;
      answered = await inTurn(() => listed("GET", `${base}/events`, { threshold: value, demoted }));
      readRows();
      chosen = -1;
    }
    asking = false;
    remember();
    if (answered) say(`${rows.filter(r => r.found && !r.low).length} events at threshold ${threshold.toFixed(3)}`);
  }

  // Shows or hides the demoted events; the chosen row stays chosen if it is still there.
  async function showDemoted(wanted) {
    const before = rows[chosen]?.start ?? now;
    demoted = wanted;
    if (!await listed("GET", `${base}/events`, { threshold, demoted })) return;
    after(before);
    remember();
    const low = rows.filter(row => row.low).length;
    say(demoted ? `${low} demoted event${low === 1 ? " is" : "s are"} shown below the others.` : "Demoted events are hidden.");
  }

  function remember() {
    const moved = Math.abs(threshold - about.inUse) > 1e-9 ? `&threshold=${threshold}` : "";
    history.replaceState(null, "", `${base}?t=${now.toFixed(3)}${moved}${demoted ? "&demoted=1" : ""}`);
  }

  // Wiring

  handle.addEventListener("pointerdown", e => { handle.setPointerCapture(e.pointerId); handle.focus(); e.preventDefault(); });
  handle.addEventListener("pointermove", e => {
    if (e.buttons) lift(chart.posToVal(e.clientY - chart.over.getBoundingClientRect().top, "y"));
  });
  handle.addEventListener("keydown", e => {
    const size = (high - low) / (e.shiftKey ? 1000 : 100), by = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[e.key];
    if (by) lift(threshold + by * size);
    else if (e.key === "Home" || e.key === "End") lift(e.key === "Home" ? low : high);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  plot.addEventListener("keydown", e => {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[e.key];
    if (by) seek(now + by);
    else if (e.key === "Home" || e.key === "End") seek(e.key === "Home" ? 0 : duration);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  document.querySelector(".side").addEventListener("click", e => {
    const node = e.target.closest(".row"), act = e.target.closest("[data-act]")?.dataset.act;
    if (act === "undo") inTurn(undo);
    else if (act === "demoted") { const wanted = e.target.checked; inTurn(() => showDemoted(wanted)); }
    else if (node && act && act !== "jump") { const row = rows.find(r => r.node === node); inTurn(() => judge(act, row)); }
    else if (node && (act || !String(getSelection()))) jump(rows.findIndex(r => r.node === node));
  });
  const undo = () => send(`${base}/undo`, {}), part = (method, address, target, values) => inTurn(() => htmx.ajax(method, address, { target, values }).catch(() => {}));
  const buttons = {
    "zoom-in": () => zoom(.5), "zoom-out": () => zoom(2), "zoom-all": () => look(0, duration), "reset-threshold": () => lift(+about.inUse),
    "keep-threshold": () => part("POST", "/threshold", "#proposal", { threshold }), "similar": () => part("GET", `${base}/similar`, "#neighbours", { t: now }),
    "mark-missed": () => inTurn(() => mark("missed")), "mark-normal": () => inTurn(() => mark("normal")),
    "mark-all": () => inTurn(() => judgeSpan("normal", 0, duration)),
  };
  for (const [id, act] of Object.entries(buttons)) find(id)?.addEventListener("click", act);
  const keys = {
    n: () => next(1), p: () => next(-1), ArrowDown: () => next(1), ArrowUp: () => next(-1), ArrowRight: () => seek(now + 1), ArrowLeft: () => seek(now - 1),
    r: () => inTurn(() => judge("true_alarm")), f: () => inTurn(() => judge("false_alarm")), u: () => inTurn(undo), d: () => inTurn(() => showDemoted(!demoted)), m: () => inTurn(() => mark("missed")), o: () => inTurn(() => mark("normal")),
    "[": () => { find("mark-start").value = now.toFixed(1); say(`span from ${clock(now)}`); },
    "]": () => { find("mark-end").value = now.toFixed(1); say(`span to ${clock(now)}`); },
    " ": () => { if (video()) { if (video().paused) video().play(); else video().pause(); } },
  };
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || find("keys").open || e.target.closest("input, select, textarea")) return;
    if (e.key === " " && e.target.closest("button, summary, a")) return;
    if (e.target.closest("video") && (e.key === " " || e.key.startsWith("Arrow"))) return;  // the player's own keys
    if (e.repeat && "rfumod".includes(e.key)) return;  // a judging key that is held down judges once
    if (keys[e.key]) { keys[e.key](); e.preventDefault(); }
  });

  // At the moment in the address, else at the first event that nobody judged.
  function begin() {
    if (about.t !== undefined) return seek(+about.t);
    const first = open(-1);
    if (first >= 0) { choose(first); seek(rows[first].start); }
    else if (rows.length) { leave = Boolean(about.open); say(noneLeft()); }
  }

  function bindPlayer() {
    const player = video();
    if (!player || player.bound) return;
    player.bound = true;
    const frame = () => { now = player.currentTime; follow(); if (!player.paused) requestAnimationFrame(frame); };
    player.addEventListener("loadedmetadata", () => { if (now) player.currentTime = now; }, { once: true });
    for (const name of ["seeked", "timeupdate"]) player.addEventListener(name, () => { if (player.readyState > 1 && !player.seeking) { now = player.currentTime; follow(); } });
    player.addEventListener("play", frame);
    player.addEventListener("error", () => { find("trouble").hidden = false; });
  }

  // Not afterSettle: it comes at least 20 ms later, and events of the player would be missed until then.
  document.addEventListener("htmx:afterSwap", bindPlayer);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => { if (chart && plot.clientWidth) { chart.setSize({ width: plot.clientWidth, height: plot.clientHeight }); } }).observe(plot);
  readRows();
  look(0, duration).then(() => { begin(); document.body.dataset.ready = "1"; });
}

start();
