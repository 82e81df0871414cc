"use strict";
// The page itself: draws the network, and redraws its numbers whenever the reader changes or chooses something.

const data = JSON.parse(document.getElementById("data").textContent);
const L = data.sizes.length - 1, RADIUS = 23, MOST = 12; // a layer with more neurons shows MOST − 2, and the others as one
const MAP = 96, POINTS = 40; // pixels of a layer's map; points of the curve of C
const $ = id => document.getElementById(id);
const live = data.own.length === 0;
const x = unpack(data.x), y = unpack(data.y);
const at = {data, live, net: null, state: null};
const page = {frame: 0, step: 0, chosen: null, pointed: null, shown: [], begin: null, changes: new Map()};
const scratch = newState(data.sizes);
let steps, drawn, curve;

function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "line", "circle", "rect", "text", "image", "path", "title"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// ---- numbers

function load(frame) {
  const from = data.frames[frame];
  page.frame = frame;
  page.changes.clear();
  y.set(unpack(data.y));
  at.net = networkOf(data, unpack(from.theta));
  at.state = newState(data.sizes);
  at.state.a[0].set(x);
  if (live) return compute();
  Object.assign(at.state, {y, C: unpack(from.C)[0], a: byLayer(unpack(from.a), data.sizes, 1)});
  at.state.a[0] = x;
  for (const [key, first] of [["z", 1], ["delta", 1], ["dCda", 0]]) at.state[key] = byLayer(unpack(from[key]), data.sizes, first);
  const primes = data.sizes.map((n, l) => l === L && data.activations[L - 1] === "softmax" ? n * n : n);
  at.state.dadz = byLayer(unpack(from.dadz), primes, 1);
}

function compute() {
  backwardSample(forwardSample(at.state, at.net, y), at.net, y);
}

// How far these numbers are from Python's, relative to the largest of their layer.
function farthest() {
  const from = data.frames[page.frame];
  let worst = Math.abs(at.state.C - unpack(from.C)[0]) / Math.max(Math.abs(at.state.C), 1e-300);
  for (const key of ["z", "a", "delta"]) {
    byLayer(unpack(from[key]), data.sizes, 1).forEach((numbers, l) => {
      if (!numbers) return;
      const largest = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-300);
      numbers.forEach((value, j) => {
        const apart = Math.abs(value - at.state[key][l][j]) / largest;
        if (apart > worst) worst = apart;
      });
    });
  }
  return worst;
}

// ---- numbers that the reader changes: a weight, a bias, an input, a target

function place(what) {
  const {kind, l, j, k} = what;
  if (kind === "weight") return {array: at.net.w[l], i: j * data.sizes[l - 1] + k, name: nameOf("w", l, j, k), derivative: () => weightGradient(at.state, l, j, k)};
  if (kind === "target") return {array: y, i: j, name: `y[${j}]`};
  if (l === 0) return {array: at.state.a[0], i: j, name: `x[${j}]`, derivative: () => at.state.dCda[0][j]};
  return {array: at.net.b[l], i: j, name: nameOf("b", l, j), derivative: () => at.state.delta[l][j]};
}

function change(what, value) {
  const {array, i, name} = place(what);
  if (!live || !Number.isFinite(value) || value === array[i]) return;
  const {from = array[i]} = page.changes.get(name) || {};
  array[i] = value;
  if (value === from) page.changes.delete(name);
  else page.changes.set(name, {from, value});
  compute();
  paint();
}

// w ← w − η ∂C/∂w, b ← b − η ∂C/∂b, by the gradient of this one sample.
function descend(rate) {
  for (let l = 1; l <= L; l++) {
    const n = data.sizes[l - 1], {a, delta} = at.state;
    at.net.b[l].forEach((_, j) => {
      for (let k = 0; k < n; k++) at.net.w[l][j * n + k] -= rate * weightGradient(at.state, l, j, k);
      at.net.b[l][j] -= rate * delta[l][j];
    });
  }
  const C = at.state.C, {from = C} = page.changes.get("C, by gradient descent,") || {};
  compute();
  page.changes.set("C, by gradient descent,", {from, value: at.state.C});
  begin();
  paint();
}

// Where the nudge of the chosen number begins: its value, its derivative and C there.
function begin() {
  const {chosen} = page;
  const can = live && chosen && (chosen.kind === "weight" || chosen.kind === "neuron");
  if (!can) return void (page.begin = null);
  const {array, i, name, derivative} = place(chosen);
  page.begin = {what: chosen, name, value: array[i], derivative: derivative(), C: at.state.C, reach: Math.max(2, Math.abs(array[i]))};
  curve = curveOf(page.begin);
}

function curveOf({what, value, reach}) {
  const {array, i} = place(what), now = array[i], points = [];
  for (let p = 0; p <= POINTS; p++) {
    const v = value + reach * (2 * p / POINTS - 1);
    array[i] = v;
    scratch.a[0].set(at.state.a[0]);
    points.push([v, forwardSample(scratch, at.net, y).C]);
  }
  array[i] = now;
  return points;
}

// ---- what is shown of each layer, and how it stands in the drawing

function choose(what) {
  page.chosen = what;
  for (const [l, j] of neuronsOf(what)) if (!page.shown[l].includes(j)) bring(l, j);
  begin();
  rebuildRoute();
  paint();
}

function neuronsOf(what) {
  if (!what) return [];
  if (what.kind === "neuron") return [[what.l, what.j]];
  if (what.kind === "weight") return [[what.l, what.j], [what.l - 1, what.k]];
  return what.kind === "path" ? what.neurons.map((j, i) => [what.l + i, j]) : [];
}

// The neurons of a large layer that matter most: those with the largest |a ∂C/∂a|.
function mostImportant(l) {
  const n = data.sizes[l], all = Array.from({length: n}, (_, j) => j);
  if (n <= MOST) return all;
  const {a, dCda} = at.state, weight = j => Math.abs(a[l][j] * dCda[l][j]) || 0;
  return all.sort((i, j) => weight(j) - weight(i) || i - j).slice(0, MOST - 2).sort((i, j) => i - j);
}

// Show neuron j of a large layer in place of the one that matters least among those that are not in use.
function bring(l, j) {
  const used = new Set(neuronsOf(page.chosen).filter(([m]) => m === l).map(([, i]) => i)), {a, dCda} = at.state;
  const free = page.shown[l].filter(i => !used.has(i));
  const least = free.reduce((one, i) => Math.abs(a[l][i] * dCda[l][i]) < Math.abs(a[l][one] * dCda[l][one]) ? i : one);
  page.shown[l] = page.shown[l].map(i => i === least ? j : i).sort((i, k) => i - k);
  draw();
}

function draw() {
  const svg = $("net"), rows = page.shown.map((shown, l) => shown.length + (shown.length < data.sizes[l] ? 1 : 0));
  const most = Math.max(...rows), spacing = most <= 3 ? 96 : most <= 6 ? 70 : 52, maps = rows.some((n, l) => n > page.shown[l].length);
  const names = data.inputNames ? 90 : data.sizes[0] > MOST ? MAP / 2 : 14;
  const right = data.names ? 200 : 125, width = Math.max($("scroll").clientWidth, names + right + 2 * RADIUS + 72 * L);
  const gap = Math.min((width - names - 2 * RADIUS - right) / L, 300), left = names + RADIUS + (width - names - right - 2 * RADIUS - gap * L) / 2;
  const top = 62, bottom = top + most * spacing, height = bottom + (maps ? MAP + 40 : 8);
  const X = l => left + l * gap, Y = (l, row) => top + spacing * (row + 0.5 + (most - rows[l]) / 2);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.width = `${width}px`;
  drawn = {edges: [], neurons: [], others: [], heads: [], maps: [], toCost: [], columns: []};
  const back = element("g"), front = element("g");
  svg.append(back, front);
  for (let l = 0; l <= L; l++) {
    const more = data.sizes[l] - page.shown[l].length, places = page.shown[l].map((j, row) => ({j, x: X(l), y: Y(l, row)}));
    if (more) places.push({x: X(l), y: Y(l, places.length)});
    drawn.columns.push(places);
    const what = l === 0 ? "input" : data.activations[l - 1].replaceAll("_", " ");
    const head = element("text", {class: "quantity", x: X(l), y: 16});
    front.append(head, element("text", {class: "soft", x: X(l), y: 38}, what));
    drawn.heads.push(head);
  }
  const few = l => gap > 125 && most <= 3 && page.shown[l - 1].length + page.shown[l].length;
  for (let l = 1; l <= L; l++) {
    for (const to of drawn.columns[l]) for (const from of drawn.columns[l - 1]) drawEdge(back, l, from, to, few(l));
  }
  for (let l = 0; l <= L; l++) for (const spot of drawn.columns[l]) drawNeuron(front, l, spot, l === L ? right - 125 : names);
  const box = {x: width - 38, y: (top + bottom) / 2};
  for (const {j, x: fromX, y: fromY} of drawn.columns[L]) {
    const line = element("line", {class: "to-cost", x1: fromX + RADIUS, y1: fromY, x2: box.x - 30, y2: box.y});
    back.append(line);
    drawn.toCost.push({j, line});
  }
  const text = element("text", {x: box.x, y: box.y + 10});
  drawn.cost = part("cost", {kind: "cost"}, element("rect", {x: box.x - 31, y: box.y - 28, width: 62, height: 56, rx: 10}),
    element("text", {class: "quantity", x: box.x, y: box.y - 11}, "C "), text);
  drawn.cost.text = text;
  front.append(drawn.cost.node);
  for (let l = 0; l <= L; l++) if (page.shown[l].length < data.sizes[l]) drawMap(front, l, X(l), bottom + 8);
  setTabStop();
}

// Something that can be pointed at, focused and chosen.
function part(kind, what, ...children) {
  const node = element("g", {class: kind, role: "button", tabindex: -1}, ...children);
  node.addEventListener("pointerenter", event => event.pointerType === "mouse" && point(what));
  node.addEventListener("pointerleave", event => event.pointerType === "mouse" && point(null));
  node.addEventListener("click", () => pick(what));
  node.addEventListener("focus", () => node.matches(":focus-visible") && page.chosen?.kind !== "path" && choose(what));
  node.addEventListener("keydown", event => travel(event, what));
  return {node, what};
}

function drawEdge(into, l, from, to, labelled) {
  const ends = {x1: from.x + RADIUS, y1: from.y, x2: to.x - RADIUS, y2: to.y};
  if (from.j === undefined || to.j === undefined) return into.append(element("line", {class: "bundle", ...ends}));
  const line = element("line", {class: "line", ...ends}), t = labelled === 2 ? 0.5 : 0.2; // where two lines do not cross
  const text = element("text", {x: ends.x1 + t * (ends.x2 - ends.x1), y: from.y + t * (to.y - from.y)});
  const edge = part("edge", {kind: "weight", l, j: to.j, k: from.j},
    element("line", {class: "halo", "stroke-width": 9, ...ends}), line, element("line", {class: "hit", ...ends}), text);
  into.append(edge.node);
  drawn.edges.push({...edge, line, text, labelled});
}

function drawNeuron(into, l, {j, x: cx, y: cy}, room) {
  if (j === undefined) {
    const count = data.sizes[l] - page.shown[l].length, node = part("others", {kind: "others", l},
      element("rect", {x: cx - 27, y: cy - 17, width: 54, height: 34, rx: 6}), element("text", {x: cx, y: cy}, `+ ${count.toLocaleString("en")}`));
    node.node.setAttribute("aria-label", `+ ${count.toLocaleString("en")} other neurons of layer ${l}, summed up`);
    into.append(node.node);
    return drawn.others.push(node);
  }
  const back = element("circle", {class: "back", cx, cy, r: RADIUS}), fill = element("circle", {cx, cy, r: RADIUS - 1});
  const ring = element("circle", {cx, cy, r: RADIUS, fill: "none"}), text = element("text", {x: cx, y: cy});
  const neuron = part("neuron", {kind: "neuron", l, j}, back, fill, ring, text);
  into.append(neuron.node);
  const name = label(at, l, j), most = Math.floor(room / 7.2), cut = name.length > most ? `${name.slice(0, most - 1)}…` : name;
  if (l === 0) into.append(element("text", {class: "soft left", x: cx - RADIUS - 7, y: cy}, cut || (data.sizes[0] > MOST ? String(j) : "")));
  const target = l === L ? element("text", {class: "soft right", x: cx + RADIUS + 7, y: cy}) : "";
  into.append(target);
  drawn.neurons.push({...neuron, fill, ring, text, target, name: cut});
}

// All neurons of a large layer as pixels; a click brings one into the drawing.
function drawMap(into, l, middle, y) {
  const n = data.sizes[l], columns = Math.ceil(Math.sqrt(n)), lines = Math.ceil(n / columns), size = MAP / Math.max(columns, lines);
  const x0 = middle - columns * size / 2, box = {x: x0, y, width: columns * size, height: lines * size};
  const image = element("image", {class: "map", ...box, preserveAspectRatio: "none"}), marks = element("g");
  const where = event => {
    const from = image.getBoundingClientRect();
    const [column, line] = [(event.clientX - from.left) / from.width * columns, (event.clientY - from.top) / from.height * lines];
    return Math.min(Math.floor(line) * columns + Math.min(Math.floor(column), columns - 1), n - 1);
  };
  image.addEventListener("click", event => choose({kind: "neuron", l, j: where(event)}));
  image.addEventListener("pointermove", event => event.pointerType === "mouse" && point({kind: "neuron", l, j: where(event)}));
  image.addEventListener("pointerleave", () => point(null));
  image.append(element("title", {}, `all ${n} neurons of layer ${l}`));
  into.append(image, element("rect", {class: "map-frame", ...box}), marks,
    element("text", {class: "soft", x: middle, y: y + lines * size + 14}, `all ${n.toLocaleString("en")}`));
  drawn.maps.push({l, n, columns, lines, size, x0, y, image, marks});
}

// ---- painting numbers into the drawing

const colour = value => value < 0 ? "var(--negative)" : "var(--positive)";

// What is known at a step: of each layer its z, a or δ; whether rings and lines show derivatives; which lines are in use.
function known() {
  const quantity = new Array(L + 1).fill(null), rings = [], lines = [];
  const {key, l} = steps[page.step];
  if (key === "all") return {quantity: quantity.fill("a"), rings, lines, cost: true};
  for (const step of steps.slice(1, page.step + 1)) {
    if (step.key === "x" || step.key === "a") quantity[step.l] = "a";
    if (step.key === "z") quantity[step.l] = "z";
    if (step.key === "bp1" || step.key === "bp2") quantity[step.l] = "delta";
    if (step.key === "bp3") rings[step.l] = true;
    if (step.key === "bp4") lines[step.l] = true;
  }
  const active = key === "z" || key === "bp4" ? l : key === "bp2" ? l + 1 : undefined;
  return {quantity, rings, lines, cost: page.step >= steps.findIndex(step => step.key === "cost"), active, key};
}

function paint() {
  const now = known(), seen = page.pointed || page.chosen;
  const marked = new Set(neuronsOf(seen).map(([l, j]) => `${l},${j}`)), path = seen?.kind === "path" ? seen : null;
  const largest = numbers => numbers.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 1e-300);
  const symbols = now.quantity.map(quantity => ({z: "z", a: "a", delta: "δ"})[quantity]);
  drawn.heads.forEach((head, l) => head.textContent = symbols[l] ? nameOf(symbols[l], l) : `layer ${l}`);
  const scales = data.sizes.map((_, l) => now.quantity[l] ?
    Math.max(largest(at.state[now.quantity[l]][l]), now.quantity[l] === "a" ? 1 : 0) : 1);
  for (const {node, what: {l, j}, fill, ring, text, target, name} of drawn.neurons) {
    const value = now.quantity[l] ? at.state[now.quantity[l]][l][j] : NaN, known = Boolean(now.quantity[l]);
    fill.style.fill = known ? colour(value) : "none";
    fill.style.fillOpacity = known ? 0.08 + 0.5 * Math.min(1, Math.abs(value) / scales[l] || 0) : 0;
    text.textContent = known ? shortNumber(value) : "";
    text.style.fontSize = text.textContent.length > 5 ? "11px" : "";
    if (l > 0) {
      const of = now.rings[l] ? at.state.delta : at.net.b, size = Math.abs(of[l][j]) / largest(of[l]);
      ring.style.stroke = colour(of[l][j]);
      ring.style.strokeWidth = known ? 0.5 + 3 * size : 0;
    }
    if (target) target.textContent = `${name ? `${name}: ` : ""}y = ${number(y[j])}`;
    node.classList.toggle("chosen", marked.has(`${l},${j}`) && seen.kind !== "weight");
    node.dataset.a = at.state.a[l][j];
    node.setAttribute("aria-label", `${text.textContent || "not computed yet"}, ${symbols[l] || "a"} of neuron ${j}${name && `, ${name}`}, layer ${l}`);
  }
  const biggest = data.sizes.map((_, l) => l && (now.lines[l] ? largest(at.state.delta[l]) * largest(at.state.a[l - 1]) : largest(at.net.w[l])));
  for (const {node, what: {l, j, k}, line, text, labelled} of drawn.edges) {
    const derivative = now.lines[l], value = derivative ? weightGradient(at.state, l, j, k) : weightOf(at, l, j, k);
    const size = Math.min(1, Math.abs(value) / biggest[l]);
    line.style.stroke = colour(value);
    line.style.strokeWidth = 0.6 + 5 * size;
    line.style.opacity = now.active === l ? 1 : 0.3 + 0.6 * size;
    text.textContent = labelled ? shortNumber(value) : "";
    const onPath = path && path.neurons[l - path.l] === j && path.neurons[l - 1 - path.l] === k;
    node.classList.toggle("chosen", Boolean(onPath) || (seen?.kind === "weight" && seen.l === l && seen.j === j && seen.k === k));
    node.classList.toggle("dim", now.active !== undefined && now.active !== l);
    line.classList.toggle("flow", now.active === l && now.key !== "bp4");
    line.classList.toggle("backwards", now.key === "bp2");
    node.setAttribute("aria-label", `${shortNumber(value)}, ${derivative ? "∂C/∂w of the" : "the"} weight from neuron ${k} to neuron ${j} of layer ${l}`);
  }
  for (const {j, line} of drawn.toCost) line.classList.toggle("chosen", Boolean(path) && path.neurons[L - path.l] === j);
  for (const {node, what} of drawn.others) node.classList.toggle("chosen", seen?.kind === "others" && seen.l === what.l);
  drawn.cost.text.textContent = now.cost ? shortNumber(at.state.C) : "";
  drawn.cost.node.dataset.c = at.state.C;
  drawn.cost.node.setAttribute("aria-label", `C ${drawn.cost.text.textContent}, the cost`);
  drawn.cost.node.classList.toggle("chosen", seen?.kind === "cost" || Boolean(path));
  for (const map of drawn.maps) paintMap(map, now.quantity[map.l], scales[map.l]);
  paintPanel(seen);
  paintSample();
  paintTables();
}

function paintMap({l, n, columns, lines, size, x0, y, image, marks}, quantity, scale) {
  const canvas = document.createElement("canvas"), style = getComputedStyle(document.documentElement);
  [canvas.width, canvas.height] = [columns, lines];
  const context = canvas.getContext("2d"), [plus, minus] = ["--positive", "--negative"].map(name => style.getPropertyValue(name));
  for (let j = 0; quantity && j < n; j++) {
    const value = at.state[quantity][l][j];
    context.globalAlpha = Math.min(1, Math.abs(value) / scale || 0);
    context.fillStyle = value < 0 ? minus : plus;
    context.fillRect(j % columns, Math.floor(j / columns), 1, 1);
  }
  image.setAttribute("href", canvas.toDataURL());
  marks.replaceChildren(...page.shown[l].map(j => element("rect", {
    class: "map-mark", x: x0 + j % columns * size, y: y + Math.floor(j / columns) * size, width: size, height: size})));
}

// ---- the panel: the explanation of what is pointed at, and the nudge

function paintPanel(seen) {
  const own = page.chosen && JSON.stringify(seen) === JSON.stringify(page.chosen), rows = $("rows");
  const {title, rows: explained} = seen ? explain(at, {...seen, shown: page.shown}) : hint();
  if ($("panel-title").textContent !== title) $("panel-title").textContent = title;
  rows.replaceChildren(...explained.map(row));
  $("actions").replaceChildren(...(own ? actions(page.chosen) : []));
  $("route").hidden = !(own && page.chosen.kind === "path");
  $("drag").hidden = !(own && page.begin);
  if (!$("drag").hidden) paintDrag();
}

function hint() {
  return {title: "Point at a neuron, a weight or C", rows: [
    {head: "Here you will see", lines: ["its formula, its formula with its numbers, and the line of code that computes it."]},
    {head: "Click", lines: [live ? "to keep it and change it: a weight, a bias or an input." : "to keep it."]},
    {head: "The cost now", lines: [`C = ${number(at.state.C)}`], line: "cost"}]};
}

function row({head, lines, table, line}) {
  const now = LINES_OF_STEP[steps[page.step].key].includes(line);
  const node = element("div", {class: now ? "row now" : "row"}, element("h3", {}, head),
    element("div", {class: "lines"}, ...lines.map(text => element("div", {}, text))));
  if (table) node.append(tableOf(table));
  if (line) {
    const {function: name, line: i} = data.source.lines[line], {first, text} = data.source.functions[name];
    node.append(element("code", {class: "code"}, element("span", {}, `loops.py:${i} `), text.split("\n")[i - first].trim()));
  }
  return node;
}

function tableOf({heads, rows, foot, caption}) {
  const line = (cells, tag) => element("tr", {}, ...cells.map((cell, i) =>
    element(tag, {scope: tag === "th" ? "col" : undefined, class: heads[i] === "is" ? "word" : undefined}, cell)));
  const node = element("table", {});
  if (caption) node.append(element("caption", {}, caption));
  node.append(element("thead", {}, line(heads, "th")), element("tbody", {}, ...rows.map(cells => line(cells, "td"))));
  if (foot) node.append(element("tfoot", {}, line(foot, "td")));
  return node;
}

function actions({kind, l, j, k}) {
  const button = (text, action) => {
    const node = element("button", {type: "button"}, text);
    node.addEventListener("click", action);
    return node;
  };
  const follow = (of, from, neurons) => () => choose({kind: "path", of, l: from, neurons: strongestPath(at, from, neurons)});
  const all = [];
  if (kind === "weight") all.push(button("Follow a path to C", follow("weight", l - 1, [k, j])));
  if (kind === "neuron" && l < L) all.push(button("Follow a path to C", follow("activation", l, [j])));
  all.push(button("Let go", () => choose(null)));
  return all;
}

// A number field for each neuron of the path that can be another one.
function rebuildRoute() {
  const {chosen} = page, fixed = chosen?.of === "weight" ? 2 : 1;
  if (chosen?.kind !== "path") return;
  $("route").replaceChildren("Through neuron", ...chosen.neurons.map((neuron, i) => {
    const field = element("input", {type: "number", min: 0, max: data.sizes[chosen.l + i] - 1, value: neuron, disabled: i < fixed ? "" : undefined,
      "aria-label": `neuron of layer ${chosen.l + i}`});
    field.addEventListener("change", () => lead(chosen.l + i, field.valueAsNumber));
    return field;
  }));
}

function lead(l, j) {
  const {chosen} = page, i = l - chosen.l;
  if (!(j >= 0 && j < data.sizes[l])) return rebuildRoute();
  choose({...chosen, neurons: chosen.neurons.map((neuron, at) => at === i ? Math.floor(j) : neuron)});
}

function paintDrag() {
  const {what, name, value, derivative, C, reach} = page.begin, {array, i} = place(what), now = array[i], nudge = now - value;
  const slider = $("drag-slider"), field = $("drag-value");
  $("drag-name").textContent = `Drag ${name}`;
  slider.setAttribute("aria-label", name);
  field.setAttribute("aria-label", `value of ${name}`);
  [slider.min, slider.max, slider.step] = [value - reach, value + reach, reach / 100];
  if (Number(slider.value) !== now && slider !== document.activeElement) slider.value = now;
  slider.setAttribute("aria-valuetext", number(now));
  if (field !== document.activeElement) field.value = Number(now.toPrecision(6));
  const facts = [[`∂${name}`, nudge], ["predicted ∂C", derivative * nudge], ["actual ΔC", at.state.C - C], ["ΔC − ∂C", at.state.C - C - derivative * nudge]];
  $("nudge").replaceChildren(...facts.flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {"data-value": fact}, number(fact))]));
  paintCurve(now);
}

// C as a function of the number that is dragged, and its tangent, which is what ∂C predicts.
function paintCurve(now) {
  const {name, value, derivative, C, reach} = page.begin, costs = curve.map(([, c]) => c).filter(Number.isFinite);
  const low = Math.min(...costs, at.state.C, C), high = Math.max(...costs, at.state.C, C), height = Math.max(high - low, 1e-12);
  const X = v => 110 + 105 * (v - value) / reach, Y = c => 104 - 88 * (c - low) / height;
  const d = curve.filter(([, c]) => Number.isFinite(c)).map(([v, c], i) => `${i ? "L" : "M"}${X(v).toFixed(1)} ${Y(c).toFixed(1)}`).join("");
  const straight = derivative * reach, end = Math.min(1, 1.5 * height / Math.max(Math.abs(straight), 1e-300));
  $("curve").setAttribute("aria-label", `C as a curve over ${name}, with its tangent`);
  $("curve").replaceChildren(
    element("path", {class: "of-c", d}),
    element("line", {class: "tangent", x1: X(value - end * reach), y1: Y(C - end * straight), x2: X(value + end * reach), y2: Y(C + end * straight)}),
    element("circle", {class: "begin", cx: X(value), cy: Y(C), r: 3.5}),
    element("circle", {cx: X(now), cy: Y(at.state.C), r: 5}),
    element("text", {class: "soft right", x: 2, y: 8}, "C"), element("text", {class: "soft left", x: 218, y: 114}, name));
}

// ---- the sample, the tables, the step

function buildSample() {
  const fields = $("fields");
  const group = (title, l, what) => {
    fields.append(element("p", {}, title));
    for (const j of page.shown[l]) {
      const field = element("input", {type: "number", step: "any", disabled: live ? undefined : ""}), name = label(at, l, j);
      const {array, name: symbol} = place(what(j));
      field.addEventListener("change", () => {
        const {low, high} = data.targets, value = field.valueAsNumber, target = array === y;
        if (!target || ((low === null || value >= low) && (high === null || value <= high))) change(what(j), value);
        if (page.chosen) begin();
        field.blur();
        paint();
      });
      fields.append(element("label", {}, name ? `${symbol} ${name}` : symbol, field));
      drawn.fields.push({field, array, j});
    }
    const more = data.sizes[l] - page.shown[l].length;
    if (more) fields.append(element("p", {}, `and ${plural(more, "other")}: click one in the map of its layer, or choose it by number, to bring it here.`));
  };
  fields.replaceChildren();
  drawn.fields = [];
  group("Inputs", 0, j => ({kind: "neuron", l: 0, j}));
  group("Targets", L, j => ({kind: "target", j}));
}

function paintSample() {
  if (!drawn.fields || drawn.fields.shown !== String(page.shown)) {
    buildSample();
    drawn.fields.shown = String(page.shown);
  }
  for (const {field, array, j} of drawn.fields) if (field !== document.activeElement) field.value = Number(array[j].toPrecision(6));
  const list = [...page.changes].map(([name, {from, value}]) => `${name} from ${number(from)} to ${number(value)}`);
  $("changes").textContent = list.length ? `Changed: ${list.slice(0, 4).join(", ")}${list.length > 4 ? ` and ${list.length - 4} more` : ""}` : "";
  $("reset").disabled = list.length === 0;
}

function paintTables() {
  const details = $("tables");
  if (!details.open) return;
  const tables = data.sizes.map((n, l) => {
    const {state} = at, shown = page.shown[l], heads = l ? ["j", "b", "z", "a", "σ′(z)", "∂C/∂a", "δ"] : ["k", "a = x", "∂C/∂a"];
    const rows = shown.map(j => [String(j), ...(l ? [at.net.b[l][j], state.z[l][j], state.a[l][j], primeAt(at, l, j), state.dCda[l][j], state.delta[l][j]]
      : [state.a[0][j], state.dCda[0][j]]).map(number)]);
    const cut = shown.length < n ? `, ${shown.length} of ${n.toLocaleString("en")} neurons` : "";
    const caption = `layer ${l}${cut}`;
    return element("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption}, tableOf({heads, rows, caption}));
  });
  details.lastElementChild.replaceChildren(...tables);
}

function goTo(step) {
  page.step = Math.max(0, Math.min(steps.length - 1, step));
  const [title, formula, words] = sayStep(at, steps[page.step]), lines = LINES_OF_STEP[steps[page.step].key].map(key => data.source.lines[key]);
  [$("step-title").textContent, $("step-formula").textContent, $("step-words").textContent] = [title, formula, words];
  $("step").value = page.step;
  $("step").setAttribute("aria-valuetext", title);
  $("step-count").textContent = `${page.step} of ${steps.length - 1}`;
  $("back").disabled = $("first").disabled = page.step === 0;
  $("next").disabled = page.step === steps.length - 1;
  $("code").hidden = lines.length === 0;
  $("descend").hidden = !(live && steps[page.step].key === "gradient");
  if (lines.length) {
    const {first, text} = data.source.functions[lines[0].function], marked = lines.map(({line}) => line);
    $("code").querySelector("pre").replaceChildren(...text.split("\n").map((code, i) =>
      element("span", marked.includes(first + i) ? {class: "now"} : {}, element("i", {}, `${String(first + i).padStart(4)}  `), code || " ")));
  }
  const {rings, lines: derivatives} = known();
  $("key").replaceChildren(
    derivatives.some(Boolean) ? "Lines: ∂C/∂w where it is known, else w. " : "Lines: weights w. ",
    rings.some(Boolean) ? "Rings: ∂C/∂b where it is known, else b." : "Rings: biases b.",
    element("span", {class: "swatch", style: "background:var(--positive)"}), "positive",
    element("span", {class: "swatch", style: "background:var(--negative)"}), "negative; the thicker, the larger.");
  paint();
}

function goToEpoch(frame) {
  load(frame);
  $("epoch-name").textContent = data.frames[frame].name;
  $("epoch").setAttribute("aria-valuetext", data.frames[frame].name);
  begin();
  sayCheck();
  paint();
}

function sayCheck() {
  const functions = data.own.map(name => `“${name}”`).join(" and "), many = data.own.length > 1;
  const own = ` ${functions} ${many ? "are functions" : "is a function"} of your own, written in Python, which cannot run in a browser: all ` +
    `numbers here are Python's (${data.dtype}), and none can be changed.`;
  $("facts").textContent = `${data.activations.join(" → ").replaceAll("_", " ")}; ${data.cost.replaceAll("_", " ")} cost.${live ? "" : own}`;
  $("sample-title").textContent = live ? "The sample: change a number, and everything follows" : "The sample";
  $("check").textContent = live ? `All numbers are computed by this page, in double precision, from the ${data.dtype} weights. They differ from ` +
    `those that Python computed in ${data.dtype} by at most ${number(farthest())} of the largest in their layer.` : "";
}

// ---- pointing, choosing and travelling

function point(what) {
  page.pointed = what;
  paint();
}

function pick(what) {
  const {chosen} = page;
  page.pointed = null;
  if (chosen?.kind === "path" && what.kind === "neuron" && what.l >= chosen.l + (chosen.of === "weight" ? 2 : 1)) lead(what.l, what.j);
  else choose(what);
}

const nodeOf = what => [...drawn.neurons, ...drawn.edges, ...drawn.others, drawn.cost].find(one =>
  ["kind", "l", "j", "k"].every(key => one.what[key] === what[key]))?.node;

function travel(event, what) {
  const {key} = event, {kind, l = L + 1, j, k} = what, go = to => {
    const node = to && nodeOf(to);
    if (!node) return;
    setTabStop(node);
    node.focus();
    event.preventDefault();
  };
  const inColumn = (l, row) => {
    const column = drawn.columns[l], spot = column && column[Math.max(0, Math.min(column.length - 1, row))];
    return spot && (spot.j === undefined ? {kind: "others", l} : {kind: "neuron", l, j: spot.j});
  };
  if (key === "Enter" || key === " ") event.preventDefault(), pick(what);
  else if (key === "Escape") choose(null);
  else if (kind === "weight") {
    const inputs = page.shown[l - 1], next = inputs[inputs.indexOf(k) + (key === "ArrowUp" ? -1 : 1)];
    if (key === "ArrowLeft") go({kind: "neuron", l: l - 1, j: k});
    if (key === "ArrowRight") go({kind: "neuron", l, j});
    if (key === "ArrowUp" || key === "ArrowDown" || key === "w") go(next === undefined ? null : {kind, l, j, k: next});
  } else {
    const row = kind === "cost" ? 0 : drawn.columns[l].findIndex(spot => spot.j === j);
    if (key === "ArrowUp" || key === "ArrowDown") go(l <= L ? inColumn(l, row + (key === "ArrowUp" ? -1 : 1)) : null);
    if (key === "ArrowLeft") go(inColumn(l - 1, row));
    if (key === "ArrowRight") go(l === L ? {kind: "cost"} : inColumn(l + 1, row));
    if (key === "w" && kind === "neuron" && l > 0) go({kind: "weight", l, j, k: page.shown[l - 1][0]});
  }
}

// One part of the drawing is in the order of the Tab key; the arrow keys lead to the others.
function setTabStop(node = drawn.neurons[0].node) {
  drawn.stop?.setAttribute("tabindex", -1);
  node.setAttribute("tabindex", 0);
  drawn.stop = node;
}

function limitChooser() {
  const kind = $("kind").value, layer = $("layer"), from = kind === "weight" ? 1 : 0, l = Math.max(from, Number(layer.value) || 0);
  layer.replaceChildren(...data.sizes.map((_, i) => i).slice(from).map(i => element("option", i === l ? {selected: ""} : {}, String(i))));
  [$("j").max, $("k").max] = [data.sizes[l] - 1, data.sizes[Math.max(l - 1, 0)] - 1];
  $("k-label").hidden = kind !== "weight";
  for (const id of ["layer", "j"]) $(id).parentElement.hidden = kind === "cost";
  return {kind, l, j: Math.min($("j").max, Math.max(0, $("j").valueAsNumber || 0)), k: Math.min($("k").max, Math.max(0, $("k").valueAsNumber || 0))};
}

function start() {
  load(data.frames.length - 1);
  steps = stepsOf(at);
  page.shown = data.sizes.map((_, l) => mostImportant(l));
  $("step").max = steps.length - 1;
  $("epochs").hidden = data.frames.length === 1;
  $("epoch").max = data.frames.length - 1;
  $("epoch").value = data.frames.length - 1;
  draw();
  goToEpoch(data.frames.length - 1);
  goTo(0);
  limitChooser();
  for (const [id, move] of [["first", () => 0], ["back", () => page.step - 1], ["next", () => page.step + 1]]) $(id).addEventListener("click", () => goTo(move()));
  $("step").addEventListener("input", event => goTo(event.target.valueAsNumber));
  $("epoch").addEventListener("input", event => goToEpoch(event.target.valueAsNumber));
  for (const id of ["drag-slider", "drag-value"]) $(id).addEventListener("input", event => change(page.begin.what, event.target.valueAsNumber));
  $("reset").addEventListener("click", () => {
    load(page.frame);
    begin();
    paint();
  });
  $("sample").addEventListener("submit", event => event.preventDefault());
  $("descend").addEventListener("submit", event => {
    event.preventDefault();
    descend($("rate").valueAsNumber);
  });
  $("chooser").addEventListener("change", limitChooser);
  $("chooser").addEventListener("submit", event => {
    event.preventDefault();
    const {kind, l, j, k} = limitChooser();
    choose(kind === "cost" ? {kind} : kind === "weight" ? {kind, l, j, k} : {kind, l, j});
  });
  $("tables").addEventListener("toggle", paintTables);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    draw();
    paint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
}

start();
