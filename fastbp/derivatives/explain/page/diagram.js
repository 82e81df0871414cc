"use strict";
// The drawing: which neurons of each layer are shown, where they stand, and the numbers painted into it.

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
  const most = Math.max(...rows), spacing = most <= 3 ? 96 : most <= 6 ? 70 : 52;
  const mapped = l => page.shown[l]?.length < data.sizes[l];
  const names = data.inputNames ? 90 : data.sizes[0] > MOST ? MAP / 2 : 14;
  const wide = $("scroll").clientWidth, right = !data.names ? 125 : wide > 500 ? 200 : 165;
  const width = Math.max(wide, names + right + 2 * RADIUS + 64 * L);
  const room = width - names - 2 * RADIUS - right, gap = Math.min(room / L, 300);
  const left = names + RADIUS + (room - gap * L) / 2;
  const crowded = gap < MAP + 8 && rows.some((_, l) => mapped(l) && mapped(l + 1)); // every other map stands lower
  const lower = l => crowded && l % 2 ? MAP + 24 : 0;
  const maps = rows.flatMap((_, l) => mapped(l) ? [MAP + 32 + lower(l)] : []);
  const top = 62, bottom = top + most * spacing, height = bottom + 8 + Math.max(0, ...maps);
  const X = l => left + l * gap, Y = (l, row) => top + spacing * (row + 0.5 + (most - rows[l]) / 2);
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.width = `${width}px`;
  drawn = {edges: [], neurons: [], others: [], heads: [], maps: [], toCost: [], columns: []};
  const back = element("g"), front = element("g");
  svg.append(back, front);
  for (let l = 0; l <= L; l++) {
    const more = data.sizes[l] - page.shown[l].length;
    const places = page.shown[l].map((j, row) => ({j, x: X(l), y: Y(l, row)}));
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
  drawn.columns.forEach((column, l) => {
    for (const spot of column) drawNeuron(front, l, spot, l === L ? right - 120 : names);
  });
  const box = {x: width - 38, y: (top + bottom) / 2};
  for (const {j, x: fromX, y: fromY} of drawn.columns[L]) {
    const line = element("line", {class: "to-cost", x1: fromX + RADIUS, y1: fromY, x2: box.x - 30, y2: box.y});
    back.append(line);
    drawn.toCost.push({j, line});
  }
  const text = element("text", {x: box.x, y: box.y + 10});
  drawn.cost = part("cost", {kind: "cost"}, 
    element("rect", {x: box.x - 31, y: box.y - 28, width: 62, height: 56, rx: 10}),
    element("text", {class: "quantity", x: box.x, y: box.y - 11}, "C "), text);
  drawn.cost.text = text;
  front.append(drawn.cost.node);
  for (let l = 0; l <= L; l++) if (mapped(l)) drawMap(front, l, X(l), bottom + 8 + lower(l));
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
  const line = element("line", {class: "line", ...ends}), t = labelled === 2 ? 0.5 : 0.2; // where no two lines cross
  const text = element("text", {x: ends.x1 + t * (ends.x2 - ends.x1), y: from.y + t * (to.y - from.y)});
  const edge = part("edge", {kind: "weight", l, j: to.j, k: from.j},
    element("line", {class: "halo", "stroke-width": 9, ...ends}), line, element("line", {class: "hit", ...ends}), text);
  edge.node.addEventListener("pointerdown", event => live && event.pointerType === "mouse" && pull(event, edge.what));
  into.append(edge.node);
  drawn.edges.push({...edge, line, text, labelled});
}

// While the mouse button is down on a line, its weight follows the mouse up and down.
function pull(down, what) {
  choose(what);
  const node = down.currentTarget, {value, reach} = page.begin;
  const move = event => change(what, value + reach * (down.clientY - event.clientY) / 150);
  node.setPointerCapture(down.pointerId);
  node.addEventListener("pointermove", move);
  node.addEventListener("pointerup", () => node.removeEventListener("pointermove", move), {once: true});
}

function drawNeuron(into, l, {j, x: cx, y: cy}, room) {
  if (j === undefined) {
    const count = data.sizes[l] - page.shown[l].length;
    const node = part("others", {kind: "others", l},
      element("rect", {x: cx - 27, y: cy - 17, width: 54, height: 34, rx: 6}),
      element("text", {x: cx, y: cy}, `+ ${count.toLocaleString("en")}`));
    node.node.setAttribute("aria-label", `+ ${count.toLocaleString("en")} other neurons of layer ${l}, summed up`);
    into.append(node.node);
    return drawn.others.push(node);
  }
  const back = element("circle", {class: "back", cx, cy, r: RADIUS}), fill = element("circle", {cx, cy, r: RADIUS - 1});
  const ring = element("circle", {cx, cy, r: RADIUS, fill: "none"}), text = element("text", {x: cx, y: cy});
  const neuron = part("neuron", {kind: "neuron", l, j}, back, fill, ring, text);
  into.append(neuron.node);
  const name = label(at, l, j), most = Math.floor(room / 7.2);
  const cut = name.length > most ? `${name.slice(0, most - 1)}…` : name, said = cut || (data.sizes[0] > MOST ? j : "");
  if (l === 0) into.append(element("text", {class: "soft left", x: cx - RADIUS - 7, y: cy}, String(said)));
  const target = l === L ? element("text", {class: "soft right", x: cx + RADIUS + 7, y: cy}) : "";
  into.append(target);
  drawn.neurons.push({...neuron, fill, ring, text, target, name: cut});
}

// All neurons of a large layer as pixels; a click brings one into the drawing.
function drawMap(into, l, middle, y) {
  const n = data.sizes[l], columns = Math.ceil(Math.sqrt(n)), lines = Math.ceil(n / columns), size = MAP / columns;
  const x0 = middle - columns * size / 2, box = {x: x0, y, width: columns * size, height: lines * size};
  const image = element("image", {class: "map", ...box, preserveAspectRatio: "none"}), marks = element("g");
  const where = event => {
    const from = image.getBoundingClientRect();
    const column = Math.floor((event.clientX - from.left) / from.width * columns);
    const line = Math.floor((event.clientY - from.top) / from.height * lines);
    return Math.min(line * columns + Math.min(column, columns - 1), n - 1);
  };
  image.addEventListener("click", event => choose({kind: "neuron", l, j: where(event)}));
  image.addEventListener("pointermove", event =>
    event.pointerType === "mouse" && point({kind: "neuron", l, j: where(event)}));
  image.addEventListener("pointerleave", () => point(null));
  image.append(element("title", {}, `all ${n} neurons of layer ${l}`));
  into.append(image, element("rect", {class: "map-frame", ...box}), marks,
    element("text", {class: "soft", x: middle, y: y + lines * size + 14}, `all ${n.toLocaleString("en")}`));
  drawn.maps.push({l, n, columns, lines, size, x0, y, image, marks});
}

const colour = value => value < 0 ? "var(--negative)" : "var(--positive)";

// What is known at a step: of each layer its z, a or δ; whether rings and lines show derivatives; the lines in use.
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
    if (target) target.textContent = `${name ? `${name}: ` : ""}y = ${number(Number(y[j].toPrecision(3)))}`;
    node.classList.toggle("chosen", marked.has(`${l},${j}`) && seen.kind !== "weight");
    node.dataset.a = at.state.a[l][j];
    const said = `${text.textContent || "not computed yet"}, ${symbols[l] || "a"} of neuron ${j}`;
    node.setAttribute("aria-label", `${said}${name && `, ${name}`}, layer ${l}`);
  }
  const {a, delta} = at.state, biggest = data.sizes.map((_, l) =>
    l && (now.lines[l] ? largest(delta[l]) * largest(a[l - 1]) : largest(at.net.w[l])));
  for (const {node, what: {l, j, k}, line, text, labelled} of drawn.edges) {
    const derivative = now.lines[l], value = derivative ? weightGradient(at.state, l, j, k) : weightOf(at, l, j, k);
    const size = Math.min(1, Math.abs(value) / biggest[l]);
    line.style.stroke = colour(value);
    line.style.strokeWidth = 0.6 + 5 * size;
    line.style.opacity = now.active === l ? 1 : 0.3 + 0.6 * size;
    text.textContent = labelled ? shortNumber(value) : "";
    const onPath = path && path.neurons[l - path.l] === j && path.neurons[l - 1 - path.l] === k;
    const itself = seen?.kind === "weight" && seen.l === l && seen.j === j && seen.k === k;
    node.classList.toggle("chosen", Boolean(onPath || itself));
    node.classList.toggle("dim", now.active !== undefined && now.active !== l);
    line.classList.toggle("flow", now.active === l && now.key !== "bp4");
    line.classList.toggle("backwards", now.key === "bp2");
    const of = derivative ? "∂C/∂w of the weight" : "the weight";
    node.setAttribute("aria-label", `${shortNumber(value)}, ${of} from neuron ${k} to neuron ${j} of layer ${l}`);
  }
  const end = path?.neurons[L - path.l], others = seen?.kind === "others" ? seen.l : null;
  for (const {j, line} of drawn.toCost) line.classList.toggle("chosen", j === end);
  for (const {node, what: {l}} of drawn.others) node.classList.toggle("chosen", l === others);
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
  const context = canvas.getContext("2d"), colourOf = name => style.getPropertyValue(name);
  for (let j = 0; quantity && j < n; j++) {
    const value = at.state[quantity][l][j];
    context.globalAlpha = Math.min(1, Math.abs(value) / scale || 0);
    context.fillStyle = colourOf(value < 0 ? "--negative" : "--positive");
    context.fillRect(j % columns, Math.floor(j / columns), 1, 1);
  }
  image.setAttribute("href", canvas.toDataURL());
  marks.replaceChildren(...page.shown[l].map(j => element("rect", {
    class: "map-mark", x: x0 + j % columns * size, y: y + Math.floor(j / columns) * size, width: size, height: size})));
}
