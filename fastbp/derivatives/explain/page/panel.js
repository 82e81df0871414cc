"use strict";
// The panel: the explanation of what is pointed at or chosen, its path, and the nudge.

function paintPanel(seen) {
  const own = page.chosen && same(seen, page.chosen), rows = $("rows");
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
    {head: "Here you will see", lines: ["its formula, also with its numbers, and the line of code that computes it."]},
    {head: "Click", lines: [live ? "to keep it and change it: a weight, a bias or an input. Or drag a line up or down."
      : "to keep it."]},
    {head: "The cost now", lines: [`C = ${number(at.state.C)}`], line: "cost"}]};
}

function row({head, lines, table, line}) {
  const now = LINES_OF_STEP[steps[page.step].key].includes(line);
  const node = element("div", {class: now ? "row now" : "row"}, element("h3", {}, head),
    element("div", {class: "lines"}, ...lines.map(text => element("div", {}, text))));
  if (table) node.append(tableOf(table));
  if (line) {
    const {function: name, line: i} = data.source.lines[line], {first, text} = data.source.functions[name];
    node.append(element("code", {class: "code"}, element("span", {}, `loops.py:${i} `),
      text.split("\n")[i - first].trim()));
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
  const follow = (of, from, neurons) => () =>
    choose({kind: "path", of, l: from, neurons: strongestPath(at, from, neurons)});
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
    const field = element("input", {type: "number", min: 0, max: data.sizes[chosen.l + i] - 1, value: neuron,
      disabled: i < fixed ? "" : undefined,
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
  const {what, name, value, derivative, C, reach} = page.begin, {array, i} = place(what);
  const now = array[i], nudge = now - value;
  const slider = $("drag-slider"), field = $("drag-value");
  $("drag-name").textContent = `Drag ${name}`;
  slider.setAttribute("aria-label", name);
  field.setAttribute("aria-label", `value of ${name}`);
  [slider.min, slider.max, slider.step] = [value - reach, value + reach, reach / 100];
  if (Number(slider.value) !== now && slider !== document.activeElement) slider.value = now;
  slider.setAttribute("aria-valuetext", number(now));
  if (field !== document.activeElement) field.value = Number(now.toPrecision(6));
  const facts = [[`∂${name}`, nudge], ["predicted ∂C", derivative * nudge], ["actual ΔC", at.state.C - C],
    ["ΔC − ∂C", at.state.C - C - derivative * nudge]];
  $("nudge").replaceChildren(...facts.flatMap(([term, fact]) =>
    [element("dt", {}, term), element("dd", {"data-value": fact}, number(fact))]));
  paintCurve(now);
}

// C as a function of the number that is dragged, and its tangent, which is what ∂C predicts.
function paintCurve(now) {
  const {name, value, derivative, C, reach} = page.begin;
  const costs = [...curve.map(([, c]) => c), at.state.C, C].filter(Number.isFinite);
  const low = Math.min(...costs), height = Math.max(...costs, low + 1e-12) - low;
  const X = v => 110 + 105 * (v - value) / reach, Y = c => 98 - 82 * (Math.min(c, low + height) - low) / height;
  const d = curve.filter(([, c]) => Number.isFinite(c))
    .map(([v, c], i) => `${i ? "L" : "M"}${X(v).toFixed(1)} ${Y(c).toFixed(1)}`).join("");
  const straight = derivative * reach, end = Math.min(1, 1.5 * height / Math.max(Math.abs(straight), 1e-300));
  if (!Number.isFinite(derivative)) return $("curve").replaceChildren();
  $("curve").setAttribute("aria-label", `C as a curve over ${name}, with its tangent`);
  $("curve").replaceChildren(
    element("path", {class: "of-c", d}),
    element("line", {class: "tangent", x1: X(value - end * reach), y1: Y(C - end * straight),
      x2: X(value + end * reach), y2: Y(C + end * straight)}),
    element("circle", {class: "begin", cx: X(value), cy: Y(C), r: 3.5}),
    element("circle", {cx: X(now), cy: Y(at.state.C), r: 5}),
    element("text", {class: "soft right", x: 2, y: 7}, "C"),
    element("text", {class: "soft left", x: 218, y: 112}, name));
}
