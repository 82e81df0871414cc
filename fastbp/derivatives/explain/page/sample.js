"use strict";
// The page itself: what Python wrote, the network and the sample as they are now, and what the reader changes in them.

const data = JSON.parse(document.getElementById("data").textContent);
// a layer with more neurons shows MOST − 2, and the others as one
const L = data.sizes.length - 1, RADIUS = 23, MOST = 12;
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
  for (const [key, first] of [["z", 1], ["delta", 1], ["dCda", 0]]) {
    at.state[key] = byLayer(unpack(from[key]), data.sizes, first);
  }
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

// Where a number that the reader can change is: a weight, a bias, an input, a target.
function place(what) {
  const {kind, l, j, k} = what;
  if (kind === "weight") {
    return {array: at.net.w[l], i: j * data.sizes[l - 1] + k, name: nameOf("w", l, j, k),
      derivative: () => weightGradient(at.state, l, j, k)};
  }
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
  page.begin = {what: chosen, name, value: array[i], derivative: derivative(), C: at.state.C,
    reach: Math.max(2, Math.abs(array[i]))};
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
