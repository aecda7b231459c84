"use strict";
// The page of the cameras: alerts as they come, judged by key. Works on top of review.js.
function watching(about) {
  const list = find("alerts"), title = document.title;
  const filter = { camera: about.camera, show: about.show, old: about.before !== "" };
  let chosen = null, again = null, turn = Promise.resolve(), unseen = 0, demoted = false;
  const all = () => [...list.children], video = () => find("video");
  const rows = () => all().filter(row => demoted || !row.classList.contains("low") || row === chosen);
  const at = id => find(`alert-${id}`), path = id => `/live/alerts/${id}`;

  // Times are shown as on the clock of whoever looks.
  function localTimes(node) {
    for (const time of node.querySelectorAll("time")) {
      const moment = new Date(time.dateTime), today = moment.toDateString() === new Date().toDateString();
      if (Number.isNaN(+moment)) continue;
      time.textContent = today ? moment.toLocaleTimeString() : moment.toLocaleString();
      time.title = time.dateTime;
    }
  }

  function count() {
    const shown = all(), low = shown.filter(row => row.classList.contains("low")).length, open = shown.filter(row => row.classList.contains("unseen")).length;
    find("counts").textContent = shown.length ? `${open || "none"} not seen yet` : "";
    find("lows").textContent = `${low} demoted`;
    document.title = unseen ? `(${unseen}) ${title}` : title;
  }

  // Rows

  function made(html) {
    const holder = document.createElement("template");
    holder.innerHTML = html.trim();
    const row = holder.content.firstElementChild;
    localTimes(row);
    return row;
  }

  function fits(row) {
    const judged = row.dataset.kind !== "", open = row.classList.contains("unseen");
    return (filter.camera === "" || filter.camera === row.dataset.camera) && (filter.show === "all" || (filter.show === "open" ? open : judged));
  }

  // Puts a row in its place: a row that is there stays there, a new one only if the filter wants it.
  function place(html) {
    const row = made(html), old = at(row.dataset.id);
    if (old) {
      const inside = old.contains(document.activeElement) ? document.activeElement.dataset.act : null;
      row.toggleAttribute("aria-current", false);
      old.replaceWith(row);
      if (old === chosen) mark(row);
      if (inside) (row.querySelector(`[data-act=${inside}]`) || row.querySelector(".jump")).focus();
    } else if (!filter.old && fits(row)) {
      const after = all().find(one => +one.dataset.start <= +row.dataset.start);
      list.insertBefore(row, after || null);
    }
    count();
    return row;
  }

  function mark(row) {
    chosen?.removeAttribute("aria-current");
    chosen = row;
    chosen?.setAttribute("aria-current", "true");
  }

  function facts() { return htmx.ajax("GET", path(chosen.dataset.id), { target: "#facts" }).then(() => localTimes(find("facts"))).catch(() => {}); }
  function player() { return htmx.ajax("GET", `${path(chosen.dataset.id)}/player`, { target: "#player", swap: "outerHTML" }).catch(() => {}); }

  async function choose(row, quietly = false) {
    again = null;
    mark(row);
    if (!row) { find("facts").replaceChildren(); return; }
    row.scrollIntoView({ block: "nearest" });
    history.replaceState(null, "", `/?alert=${row.dataset.id}`);
    if (!quietly) { const here = rows(); say(`Alert ${here.indexOf(row) + 1} of ${here.length}, ${row.querySelector(".jump").textContent.trim()}`); }
    await facts();
    if (chosen === row) await player();
  }

  function step(direction) {
    const here = rows(), index = here.indexOf(chosen), to = here[index < 0 && direction < 0 ? here.length - 1 : index + direction];
    if (to) return choose(to);
    say(here.length ? `This is the ${direction > 0 ? "last" : "first"} alert.` : "There is no alert.");
  }

  // Judgements

  function inTurn(act) {
    turn = turn.then(act, act);
    return turn;
  }

  async function post(address, values = {}) {
    let answer;
    try { answer = await fetch(address, { method: "POST", body: new URLSearchParams(values) }); } catch { say("The server does not answer. Nothing was changed."); return null; }
    if (!answer.ok) { say((await answer.text()).slice(0, 400)); return null; }
    const told = await answer.json();
    for (const html of Object.values(told.rows)) place(html);
    if (chosen && told.rows[chosen.dataset.id]) facts();
    return told;
  }

  // The next alert without a judgement: older ones first, as they are further down.
  function openAfter(row) {
    const here = rows(), index = here.indexOf(row), is = one => one.dataset.kind === "";
    return here.slice(index + 1).find(is) || here.find(is) || null;
  }

  // A key does not replace a judgement unless it is pressed twice; a button of a row names its row.
  function keeps(row, kind) {
    if (again === kind && row.dataset.kind !== kind) return false;
    again = row.dataset.kind === kind ? null : kind;
    say(`It is judged already: ${spoken(row.dataset.kind)}.` + (row.dataset.kind === kind ? "" : " Press again to replace it."));
    return true;
  }

  async function judge(kind, clicked = null) {
    const row = clicked ? at(clicked) : chosen;
    if (!row) return say(rows().length ? "No alert is chosen. Press n for the first one." : "There is no alert.");
    if (row.dataset.kind && !clicked && keeps(row, kind)) return;
    const told = await post(`${path(row.dataset.id)}/judge`, { kind });
    if (!told) return;
    again = null;
    const next = openAfter(at(row.dataset.id));
    if (next) choose(next, true);
    say(`${told.said}. ${next ? `Now ${next.querySelector(".jump").textContent.trim()}.` : "No alert is left to judge."}`);
  }

  async function see(clicked = null) {
    const row = clicked ? at(clicked) : chosen;
    if (!row) return say("No alert is chosen. Press n for the first one.");
    const told = await post(`${path(row.dataset.id)}/see`);
    if (told) say(`${told.said}.`);
  }

  async function simple(address) {
    const told = await post(address);
    if (told) say(`${told.said}.`);
  }

  function remove(id) {
    const row = at(id), was = row && row === chosen;
    row?.remove();
    if (was) { choose(null); find("player").replaceChildren(); delete find("player").dataset.ready; }
    count();
  }

  function askToDelete() {
    const dialog = find("delete"), id = chosen?.dataset.id;
    if (!id) return;
    dialog.returnValue = "no";
    dialog.addEventListener("close", async () => {
      if (dialog.returnValue !== "yes") return;
      const told = await post(`${path(id)}/delete`);
      if (told) { remove(id); say(`${told.said}.`); }
    }, { once: true });
    dialog.showModal();
  }

  function showDemoted(wanted) {
    demoted = wanted;
    list.classList.toggle("all", demoted);
    document.querySelector("[data-act=demoted]").checked = demoted;
    say(demoted ? "Demoted and withdrawn alerts are shown." : "Demoted and withdrawn alerts are hidden.");
  }

  // What the server sends

  const heard = {
    alert({ id, type, html }) {
      const known = Boolean(at(id)), row = place(html);
      if (row === chosen) { facts(); if (!find("player").dataset.ready) player(); }
      if (known || type !== "new" || row.classList.contains("low")) return;
      if (document.hidden) { unseen += 1; count(); }
      say(`New alert: ${row.querySelector(".jump").textContent.trim()}`);
    },
    deleted({ id }) { remove(id); },
    probe({ html, said }) { find("live-probe").innerHTML = html; if (find("probe-said").textContent !== said) find("probe-said").textContent = said; },
    tiles(tiles) {
      for (const [name, { html, stamp, alarm }] of Object.entries(tiles)) {
        const tile = document.querySelector(`.tile[data-camera="${CSS.escape(name)}"]`);
        if (!tile) continue;
        tile.classList.toggle("alarm", alarm);
        tile.querySelector(".tile-facts").innerHTML = html;
        picture(tile, name, stamp);
      }
    },
    reload() { location.reload(); },
  };

  // The new picture is loaded before it is shown, so that nothing flickers.
  function picture(tile, name, stamp) {
    const shown = tile.querySelector("img");
    if (stamp === null || shown.dataset.stamp === String(stamp)) return;
    const next = new Image();
    next.onload = () => { shown.src = next.src; shown.dataset.stamp = stamp; shown.alt = `Newest picture of ${name}`; shown.classList.remove("none"); };
    next.src = `/live/picture/${encodeURIComponent(name)}?at=${stamp}`;
  }

  function listen() {
    let source = null;
    const open = () => {
      source = new EventSource(`/live/stream?mark=${encodeURIComponent(about.mark)}`);
      for (const [kind, act] of Object.entries(heard)) source.addEventListener(kind, e => { if (e.lastEventId) about.mark = e.lastEventId; act(JSON.parse(e.data)); });
      source.onopen = () => { find("lost").hidden = true; document.body.dataset.connected = "1"; };
      source.onerror = () => {
        find("lost").hidden = false;
        delete document.body.dataset.connected;
        if (source.readyState === EventSource.CLOSED) setTimeout(open, 2000);
      };
    };
    open();
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", e => { if (e.persisted) open(); });
  }

  // Wiring

  const undo = () => simple("/live/undo"), restore = () => simple("/live/restore");
  document.addEventListener("click", e => {
    const act = e.target.closest("[data-act]")?.dataset.act, row = e.target.closest(".row"), id = row?.dataset.id;
    if (act === "undo") inTurn(undo);
    else if (act === "restore") inTurn(restore);
    else if (act === "demoted") showDemoted(e.target.checked);
    else if (act === "delete") askToDelete();
    else if (row && act === "see") inTurn(() => see(id));
    else if (row && (act === "true_alarm" || act === "false_alarm")) inTurn(() => judge(act, id));
    else if (row && (act || !String(getSelection()))) choose(row);
  });
  const seek = by => { if (video()) video().currentTime = clamp(video().currentTime + by, 0, video().duration || 0); };
  const keys = {
    n: () => step(1), p: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: () => seek(1), ArrowLeft: () => seek(-1),
    r: () => inTurn(() => judge("true_alarm")), f: () => inTurn(() => judge("false_alarm")), a: () => inTurn(() => see()), u: () => inTurn(undo), d: () => showDemoted(!demoted),
    " ": () => { if (video()) { if (video().paused) video().play(); else video().pause(); } },
  };
  document.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || find("keys").open || find("delete").open || e.target.closest("input, select, textarea")) return;
    if (e.key === " " && e.target.closest("button, summary, a")) return;
    if (e.target.closest("video") && (e.key === " " || e.key.startsWith("Arrow"))) return;  // the player's own keys
    if (e.repeat && "rfaud".includes(e.key)) return;  // a judging key that is held down judges once
    if (keys[e.key]) { keys[e.key](); e.preventDefault(); }
  });
  document.addEventListener("error", e => { if (e.target.id === "video") find("trouble").hidden = false; }, true);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { unseen = 0; count(); } });
  localTimes(document);
  count();
  const first = about.wanted ? at(about.wanted) : rows()[0];
  if (about.wanted && !first) say("This alert is not kept any more.");
  if (first) choose(first, true);
  listen();
  document.body.dataset.ready = "1";
}

watching(find("live-page").dataset);
