"use strict";
// The page of a lab, or of a class. It asks only its own server, and shows texts as texts, never as markup.

const $ = (id) => document.getElementById(id);
const NS = "http://www.w3.org/2000/svg";
const WINDOW = 120;            // requests in the plot
const SHARE = 10;              // requests in one point of the plot
const LABELS = { hint: "Next hint", check: "Check", plan: "What fixer would do", apply: "Let fixer repair", undo: "Undo its repair" };
const still = matchMedia("(prefers-reduced-motion: reduce)");
let token = "";
let stopStream = null;
let samples = [];
let places = {};               // of the nodes in the diagram, by role
let present = null;            // the lab that is shown

function make(name, attributes = {}, text = "") {
  const made = name.startsWith("svg:") ? document.createElementNS(NS, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function trouble(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

async function ask(path, body) {
  const options = { headers: { Authorization: `Bearer ${token}` } };
  if (body) Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  const reply = await fetch(path, options);
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.error || `the server answered ${reply.status}`);
  return found;
}

// Events: EventSource cannot send a token, so the stream is read here.
// Nothing is asked while nobody can see the page.
function listen(lab, heard) {
  const stop = new AbortController();
  const run = async () => {
    while (!stop.signal.aborted) {
      const turn = new AbortController();
      const hide = () => document.hidden && turn.abort();
      stop.signal.addEventListener("abort", () => turn.abort());
      document.addEventListener("visibilitychange", hide);
      try {
        await seen();
        const reply = await fetch(`/api/events?lab=${encodeURIComponent(lab)}`,
          { headers: { Authorization: `Bearer ${token}` }, signal: turn.signal });
        if (!reply.ok) throw new Error((await reply.json()).error);
        $("connection").textContent = "live";
        await read(reply.body.pipeThrough(new TextDecoderStream()).getReader(), heard);
      } catch (error) {
        if (stop.signal.aborted) return;
      } finally {
        document.removeEventListener("visibilitychange", hide);
      }
      if (document.hidden) continue;
      $("connection").textContent = "connection lost, trying again";
      await new Promise((done) => setTimeout(done, 2000));
    }
  };
  run();
  return () => stop.abort();
}

function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => document.addEventListener("visibilitychange", () => done(), { once: true }));
}

async function read(reader, heard) {
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const lines = Object.fromEntries(part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (lines.event) heard(lines.event, JSON.parse(lines.data));
    }
  }
}

// The diagram.
function draw(state) {
  const parts = [{ role: "visitors", name: "visitors", runs: true }, ...state.parts];
  const width = $("diagram").clientWidth || 640;
  const key = JSON.stringify([parts, width]);
  if ($("diagram").dataset.key === key) return;
  $("diagram").dataset.key = key;
  const backends = parts.slice(2);
  const upright = width < 440;                   // a phone: one below the other
  const size = Math.min(160, upright ? (backends.length > 1 ? width / 2 - 8 : 160) : width / 3 - 26);
  const at = upright ? { visitors: [width / 2, 32], web: [width / 2, 122] } : { visitors: [size / 2 + 4, 75], web: [width / 2, 75] };
  backends.forEach((part, number) => {
    const two = backends.length > 1;
    at[part.role] = upright ? [two ? width * (1 + 2 * number) / 4 : width / 2, 212] : [width - size / 2 - 4, two ? 40 + 70 * number : 75];
  });
  $("diagram").setAttribute("viewBox", `0 0 ${width} ${upright ? 244 : 150}`);
  places = at;
  const drawn = [];
  for (const [from, to] of [["visitors", "web"], ...backends.map((part) => ["web", part.role])])
    drawn.push(make("svg:line", { class: "edge", x1: at[from][0], y1: at[from][1], x2: at[to][0], y2: at[to][1] }));
  drawn.push(make("svg:g", { id: "dots" }));
  for (const part of parts) {
    const [x, y] = at[part.role];
    const group = make("svg:g");
    group.append(make("svg:rect", { class: `node ${part.runs ? "up" : "down"}`, x: x - size / 2, y: y - 26, width: size, height: 52, rx: 8 }),
      make("svg:text", { class: "name", x, y: y - 2 }, part.name),
      make("svg:text", { class: "note", x, y: y + 17 }, part.role === "visitors" ? "one a second" : part.runs ? "✔ runs" : "✘ does not run"));
    drawn.push(group);
  }
  const title = make("svg:title", { id: "diagram-text" }, describe(state.parts));
  $("diagram").replaceChildren(title, ...drawn);
  $("parts").replaceChildren(...state.parts.map((part) => make("li", {}, `${part.name}: ${part.runs ? "runs" : "does not run"}`)));
}

function describe(parts) {
  return `Visitors ask ${parts[0].name}, which asks ${parts.slice(1).map((part) => part.name).join(" and ")}. ` +
    parts.map((part) => `${part.name} ${part.runs ? "runs" : "does not run"}`).join(", ") + ".";
}

function moveDot(sample) {
  const dots = document.getElementById("dots");
  if (!dots || still.matches || document.hidden || !places.backend) return;
  const way = [places.visitors, places.web, ...(sample.ok ? [places.backend, places.web] : []), places.visitors];
  const dot = make("svg:circle", { class: sample.ok ? "dot" : "dot bad", r: 7, cx: way[0][0], cy: way[0][1] });
  dots.append(dot);
  const began = performance.now();
  const step = (now) => {
    const along = Math.min(Math.max(now - began, 0) / 900, 1) * (way.length - 1);
    const part = Math.min(Math.floor(along), way.length - 2);
    const share = along - part;
    dot.setAttribute("cx", way[part][0] + (way[part + 1][0] - way[part][0]) * share);
    dot.setAttribute("cy", way[part][1] + (way[part + 1][1] - way[part][1]) * share);
    if (along < way.length - 1) requestAnimationFrame(step); else dot.remove();
  };
  requestAnimationFrame(step);
}

// The plot: of each request, the share of the last ones that failed.
function plot() {
  const width = $("plot").clientWidth || 640, height = 130, left = 44, top = 10, bottom = 22;
  const x = (number) => left + (width - left - 8) * (number / (WINDOW - 1));
  const y = (share) => top + (height - top - bottom) * (1 - share);
  const shares = samples.map((_, number) => {
    const some = samples.slice(Math.max(0, number - SHARE + 1), number + 1);
    return some.filter((one) => !one.ok).length / some.length;
  });
  $("plot").setAttribute("viewBox", `0 0 ${width} ${height}`);
  const shift = WINDOW - shares.length;
  const points = shares.map((share, number) => `${x(number + shift).toFixed(1)},${y(share).toFixed(1)}`);
  const drawn = [make("svg:title", { id: "plot-text" }, `Share of failed requests over the last ${samples.length} requests; now ${percent(shares.at(-1))}`)];
  for (const share of [0, 0.5, 1]) {
    drawn.push(make("svg:line", { class: "axis", x1: left, x2: width - 8, y1: y(share), y2: y(share) }),
      make("svg:text", { class: "label", x: 4, y: y(share) + 4 }, percent(share)));
  }
  drawn.push(make("svg:text", { class: "label", x: left, y: height - 4 }, "two minutes ago"),
    make("svg:text", { class: "label", x: width - 34, y: height - 4 }, "now"));
  if (points.length) {
    drawn.push(make("svg:polygon", { class: "area", points: `${x(shift)},${y(0)} ${points.join(" ")} ${x(WINDOW - 1)},${y(0)}` }),
      make("svg:polyline", { class: "curve", points: points.join(" ") }));
  }
  $("plot").replaceChildren(...drawn);
  $("rate").textContent = percent(shares.at(-1));
  $("rate").className = shares.at(-1) > 0 ? "bad" : "good";
}

const percent = (share) => `${Math.round((share || 0) * 100)} %`;

function heardRequest(sample) {
  samples = [...samples, sample].slice(-WINDOW);
  $("last").textContent = `of the last ${Math.min(samples.length, SHARE)} requests failed. The last one: ${sample.text}, ${sample.ms} ms.`;
  plot();
  moveDot(sample);
}

function heardLog(log) {
  for (const name of ["nginx", "application"]) {
    const text = log[name].join("\n");
    const box = $(`log-${name}`);
    if (box.textContent === text) continue;
    box.textContent = text;
    box.scrollTop = box.scrollHeight;
  }
}

function clock() {
  if (!present) return;
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - present.started));
  const minutes = Math.floor(seconds / 60);
  $("clock").textContent = `The lab is up for ${minutes} minute${minutes === 1 ? "" : "s"}.`;
}

// The buttons.
function buttons(actions) {
  $("buttons").replaceChildren(...actions.map((action) => {
    const button = make("button", { type: "button" }, LABELS[action]);
    button.addEventListener("click", () => act(action, button));
    return button;
  }));
}

let acting = false;
async function act(action, button) {
  if (acting) return;
  if (action === "apply" && !confirm("fixer will change this lab. Go on?")) return;
  acting = true;
  document.querySelectorAll("#buttons button").forEach((one) => one.setAttribute("aria-disabled", "true"));
  $("result").replaceChildren(make("p", {}, `${LABELS[action]} …`));
  try {
    show(await ask(`/api/${action}`, { lab: present.id }), action === "hint" ? present.language : "en");
  } catch (error) {
    show({ text: error.message, well: false });
  } finally {
    acting = false;
    document.querySelectorAll("#buttons button").forEach((one) => one.removeAttribute("aria-disabled"));
    button.focus();
  }
}

function show(found, language = "en") {
  const mark = found.well === undefined ? "" : found.well ? "✔ " : "✘ ";
  const look = found.well === undefined ? {} : { class: found.well ? "good" : "bad" };
  const shown = [make("p", { lang: language, ...look }, mark + found.text)];
  if (found.lines && found.lines.length) shown.push(list("ul", found.lines));
  if (found.plan) shown.push(make("p", {}, found.plan));
  if (found.steps && found.steps.length) shown.push(...found.steps.map((step) => make("p", {}, step)));
  if (found.diff) shown.push(diff(found.diff));
  if (found.debrief) {
    const paragraphs = found.debrief.split("\n\n");
    shown.push(make("h3", {}, "What it was"), ...paragraphs.map((part) => make("p", { lang: present.language }, part)));
  }
  $("result").replaceChildren(...shown);
}

function list(name, lines) {
  const made = make(name);
  made.append(...lines.map((line) => make("li", {}, line)));
  return made;
}

function diff(text) {
  const box = make("pre", { class: "diff", tabindex: "0", role: "region", "aria-label": "The change, line by line" });
  for (const line of text.split("\n")) {
    const kind = line.startsWith("+") ? "add" : line.startsWith("-") ? "del" : "";
    box.append(make("span", kind ? { class: kind } : {}, `${line}\n`));
  }
  return box;
}

// One lab, or the class.
function open(view, actions) {
  if (stopStream) stopStream();
  present = view;
  samples = [];
  $("lab-view").hidden = false;
  $("diagram").dataset.key = "";
  $("lab-name").textContent = view.person ? `${view.person} · ${view.id}` : view.id;
  document.title = `${view.person || view.id} – badgateway lab`;
  $("story").textContent = view.story;
  $("story").lang = view.language;
  $("page-link").href = view.url;
  $("page-link").textContent = view.url;
  $("login").textContent = view.login;
  $("password").textContent = view.password;
  $("result").replaceChildren();
  buttons(actions);
  clock();
  stopStream = listen(view.id, (name, data) => {
    trouble(name === "trouble" ? data.message : "");
    if (name === "request") heardRequest(data);
    if (name === "state") draw(data);
    if (name === "log") heardLog(data);
  });
}

function showClass(state, me) {
  const minutes = Math.floor(state.seconds_left / 60);
  $("class-time").textContent = `${state.class} ends in ${minutes} minutes.` + (state.kept ? "" : " Its keeper has ended: take it down yourself.");
  $("class-time").className = state.kept ? "" : "bad";
  const rows = state.people.map((one) => {
    const row = make("tr");
    const button = make("button", { type: "button", "aria-label": `Open the lab of ${one.person}` }, one.person);
    const view = me.labs.find((lab) => lab.id === one.lab);
    button.addEventListener("click", () => view && open(view, me.actions));
    const person = make("td");
    person.append(button);
    const well = one.up && one.running && one.answer >= 200 && one.answer < 400;
    const said = !one.up ? "was removed" : one.wrote_too_much ? "stopped, wrote too much" : !one.running ? "is switched off" :
      one.answer > 0 ? `answers ${one.answer}` : "does not answer";
    row.append(person, make("td", { class: well ? "good" : "bad" }, `${well ? "✔" : "✘"} ${said}`),
      make("td", {}, String(one.hints ?? "–")), make("td", {}, one.lab));
    return row;
  });
  const focused = document.activeElement && document.activeElement.getAttribute("aria-label");
  $("people").replaceChildren(...rows);
  if (focused) [...document.querySelectorAll("#people button")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
}

async function begin() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);   // it shall not stand on a shared screen
  }
  token = sessionStorage.getItem("token") || "";
  let me;
  try {
    me = await ask("/api/me");
  } catch (error) {
    $("connection").textContent = "not connected";
    trouble(error.message);
    return;
  }
  if (me.class) {
    $("class-view").hidden = false;
    $("lab-name").textContent = "class";
    $("connection").textContent = "live";
    listen("", (name, data) => (name === "class" ? showClass(data, me) : trouble(data.message)));
  } else if (me.labs.length) {
    open(me.labs[0], me.actions);
  } else {
    trouble("This lab is not up any more.");
  }
  setInterval(clock, 1000);
}

begin();
