"use strict";
// The steps, the fields of the sample, the tables; pointing, choosing and travelling by keyboard; the start.

function buildSample() {
  const fields = $("fields");
  const group = (title, l, what) => {
    fields.append(element("p", {}, title));
    for (const j of page.shown[l]) {
      const field = element("input", {type: "number", step: "any", disabled: live ? undefined : ""});
      const name = label(at, l, j);
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
    const how = "click one in the map of its layer, or choose it by number, to bring it here";
    if (more) fields.append(element("p", {}, `and ${plural(more, "other")}: ${how}`));
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
  for (const {field, array, j} of drawn.fields) {
    if (field !== document.activeElement) field.value = Number(array[j].toPrecision(6));
  }
  const list = [...page.changes].map(([name, {from, value}]) => `${name} from ${number(from)} to ${number(value)}`);
  const more = list.length > 4 ? ` and ${list.length - 4} more` : "";
  $("changes").textContent = list.length ? `Changed: ${list.slice(0, 4).join(", ")}${more}` : "";
  $("reset").disabled = list.length === 0;
}

function paintTables() {
  const details = $("tables");
  if (!details.open) return;
  const tables = data.sizes.map((n, l) => {
    const {z, a, dCda, delta} = at.state, shown = page.shown[l];
    const heads = l ? ["j", "b", "z", "a", "σ′(z)", "∂C/∂a", "δ"] : ["k", "a = x", "∂C/∂a"];
    const numbers = j => l ? [at.net.b[l][j], z[l][j], a[l][j], primeAt(at, l, j), dCda[l][j], delta[l][j]]
      : [a[0][j], dCda[0][j]];
    const rows = shown.map(j => [String(j), ...numbers(j).map(number)]);
    const cut = shown.length < n ? `, ${shown.length} of ${n.toLocaleString("en")} neurons` : "";
    const caption = `layer ${l}${cut}`;
    return element("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": caption},
      tableOf({heads, rows, caption}));
  });
  details.lastElementChild.replaceChildren(...tables);
}

function goTo(step) {
  page.step = Math.max(0, Math.min(steps.length - 1, step));
  const [title, formula, words] = sayStep(at, steps[page.step]);
  const lines = LINES_OF_STEP[steps[page.step].key].map(key => data.source.lines[key]);
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
      element("span", marked.includes(first + i) ? {class: "now"} : {},
        element("i", {}, `${String(first + i).padStart(4)}  `), code || " ")));
  }
  const {rings, lines: derivatives} = known();
  $("key").replaceChildren(
    derivatives.some(Boolean) ? "Lines: ∂C/∂w where it is known, else w. " : "Lines: weights w. ",
    rings.some(Boolean) ? "Rings: ∂C/∂b where it is known, else b." : "Rings: biases b.",
    element("span", {class: "swatch", style: "background:var(--positive)"}), "positive",
    element("span", {class: "swatch", style: "background:var(--negative)"}), "negative; the thicker, the larger.");
  paint();
}

// C of the sample after every epoch, as Python computed it, and the epoch that is shown.
function paintCosts() {
  const costs = data.frames.map(({C}) => unpack(C)[0]), most = Math.max(...costs.filter(Number.isFinite), 1e-300);
  const X = i => 6 + 188 * i / Math.max(costs.length - 1, 1), Y = C => 38 - 32 * C / most;
  const shown = costs.map((C, i) => [X(i), Y(C)]).filter(([, height]) => Number.isFinite(height));
  $("costs").replaceChildren(element("path", {class: "of-c", d: `M${shown.map(spot => spot.join(" ")).join("L")}`}));
  if (Number.isFinite(costs[page.frame])) {
    $("costs").append(element("circle", {cx: X(page.frame), cy: Y(costs[page.frame]), r: 4.5}));
  }
}

function goToEpoch(frame) {
  load(frame);
  $("epoch-name").textContent = data.frames[frame].name;
  $("epoch").setAttribute("aria-valuetext", data.frames[frame].name);
  begin();
  sayCheck();
  if (data.frames.length > 1) paintCosts();
  paint();
}

function sayCheck() {
  const functions = data.own.map(name => `“${name}”`).join(" and ");
  const own = ` Your own ${functions} cannot run in a browser: all numbers here are Python's (${data.dtype}), and none
    can be changed.`;
  const plain = name => name.replaceAll("_", " ");
  $("facts").textContent = `${data.activations.map(plain).join(" → ")}; ${plain(data.cost)} cost.${live ? "" : own}`;
  $("sample-title").textContent = live ? "The sample: change a number, and everything follows" : "The sample";
  $("check").textContent = live ? `All numbers are computed by this page, in double precision, from the ${data.dtype}
    weights. They differ from those that Python computed in ${data.dtype} by at most ${number(farthest())} of the
    largest in their layer.` : "";
}

function point(what) {
  page.pointed = what;
  paint();
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function pick(what) {
  const {chosen} = page;
  page.pointed = null;
  const leads = chosen?.kind === "path" && what.kind === "neuron";
  if (same(what, chosen)) paint();
  else if (leads && what.l >= chosen.l + (chosen.of === "weight" ? 2 : 1)) lead(what.l, what.j);
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
  const kind = $("kind").value, layer = $("layer"), from = kind === "weight" ? 1 : 0;
  const l = Math.max(from, Number(layer.value) || 0);
  const within = id => Math.min($(id).max, Math.max(0, $(id).valueAsNumber || 0));
  const option = m => element("option", m === l ? {selected: ""} : {}, String(m));
  layer.replaceChildren(...data.sizes.map((_, m) => option(m)).slice(from));
  [$("j").max, $("k").max] = [data.sizes[l] - 1, data.sizes[Math.max(l - 1, 0)] - 1];
  $("k-label").hidden = kind !== "weight";
  for (const id of ["layer", "j"]) $(id).parentElement.hidden = kind === "cost";
  return {cost: {kind}, neuron: {kind, l, j: within("j")}, weight: {kind, l, j: within("j"), k: within("k")}}[kind];
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
  const on = (id, kind, action) => $(id).addEventListener(kind, action);
  on("first", "click", () => goTo(0));
  on("back", "click", () => goTo(page.step - 1));
  on("next", "click", () => goTo(page.step + 1));
  on("step", "input", event => goTo(event.target.valueAsNumber));
  on("epoch", "input", event => goToEpoch(event.target.valueAsNumber));
  on("drag-slider", "input", event => change(page.begin.what, event.target.valueAsNumber));
  on("drag-value", "input", event => change(page.begin.what, event.target.valueAsNumber));
  on("reset", "click", () => {
    load(page.frame);
    begin();
    paint();
  });
  on("sample", "submit", event => event.preventDefault());
  on("descend", "submit", event => {
    event.preventDefault();
    descend($("rate").valueAsNumber);
  });
  on("chooser", "change", limitChooser);
  on("chooser", "submit", event => {
    event.preventDefault();
    choose(limitChooser());
  });
  on("tables", "toggle", paintTables);
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
