"use strict";
// What the page says: the steps through the sample, and the formulas of whatever is chosen, with their numbers.
// `at` is {data, net, state, live}: what Python wrote, the network as it is now, the sample's numbers in it.

const MOST_TERMS = 6; // of a sum: the largest are written out, the others are one number that says how many they are

const lastLayer = at => at.net.sizes.length - 1;
const weightOf = (at, l, j, k) => at.net.w[l][j * at.net.sizes[l - 1] + k];

const isOwn = (at, name) => at.data.own.includes(name);

// The pair of output σ and C, if both are fastbp's.
function pairAt(at) {
  return isOwn(at, at.data.cost) || isOwn(at, at.net.activations[lastLayer(at)]) ? undefined : pairOf(at.net);
}

function label(at, l, j) {
  const names = l === 0 ? at.data.inputNames : l === lastLayer(at) ? at.data.names : null;
  return names ? names[j] : "";
}

function primeAt(at, l, j, i = j) {
  if (at.live) return sigmaPrime(at.state, at.net, l, j, i);
  const numbers = at.state.dadz[l], n = at.net.sizes[l];
  return numbers.length > n || at.net.activations[l] === "softmax" ? numbers[i * n + j] : numbers[j];
}

// The steps in the order in which backpropagation computes: forward to C, then backwards, a layer at a time.
function stepsOf(at) {
  const L = lastLayer(at), steps = [{key: "all"}, {key: "x", l: 0}];
  for (let l = 1; l <= L; l++) steps.push({key: "z", l}, {key: "a", l});
  steps.push({key: "cost", l: L});
  for (let l = L; l >= 1; l--) steps.push({key: l === L ? "bp1" : "bp2", l}, {key: "bp3", l}, {key: "bp4", l});
  steps.push({key: "gradient"});
  return steps;
}

function sayStep(at, step) {
  const {key, l} = step, {net, data} = at, before = l - 1;
  const sigma = net.activations[l], pair = pairAt(at);
  const n = net.sizes.slice(1).reduce((sum, size, i) => sum + size * (net.sizes[i] + 1), 0);
  const bp1 = pair && pair.fused ? `δ[j] = a[j] − y[j], because σ′ cancels`
    : ACTIVATIONS[sigma]?.wholeLayer ? "δ[j] = Σ_i ∂a[i]/∂z[j] · ∂C/∂a[i]" : "δ[j] = ∂C/∂a[j] · σ′(z[j])";
  return {
    all: ["The whole sample", "", `Every circle is a neuron, every line a weight. Point at one to see how its number
      comes about; press Next to watch all of them being computed, forward and then backwards.`],
    x: ["The sample goes in", `${nameOf("a", 0)} = x`, "The inputs are the activations of layer 0."],
    z: [`Forward, layer ${l}: weighted inputs`, `z[j] = Σ_k w[j,k] a[k] + b[j]`, `Every neuron j of layer ${l} takes
      the activations a[k] of layer ${before}, each times the weight of its line, adds them up, and adds its bias.`],
    a: [`Forward, layer ${l}: activations`, `a[j] = σ(z[j])`, `σ is ${sigma}${l && isOwn(at, sigma) ?
      ", a function of your own" : `: σ(z) = ${ACTIVATIONS[sigma]?.formula}`}.`],
    cost: ["The cost", `C = ${costFormula(at)}`, `C compares the outputs a with the targets y: the ${data.cost} cost of
      this sample. All that follows asks one question: how does C change if a number changes a little?`],
    bp1: ["Backwards, BP1: the error of the outputs", bp1, `The error δ of a neuron is ∂C/∂z: how much C grows for each
      unit that z grows. It begins at the outputs.`],
    bp2: [`Backwards, BP2: the error of layer ${l}`, `δ[k] = (Σ_j w[j,k] δ[j]) · σ′(z[k])`, `A neuron k of layer ${l}
      changes C only through the neurons j of layer ${l + 1}. So the errors come back along the lines that the
      activations went forward, and are added up.`],
    bp3: [`Backwards, BP3: biases of layer ${l}`, "∂C/∂b[j] = δ[j]", `A bias is added to z, so C changes with it as with
      z. The ring of a neuron now shows ∂C/∂b.`],
    bp4: [`Backwards, BP4: weights of layer ${l}`, "∂C/∂w[j,k] = a[k] δ[j]", `A weight matters as much as the activation
      a[k] that it carries, times the error δ[j] that it leads to. The lines of layer ${l} now show ∂C/∂w.`],
    gradient: ["The whole gradient", "∂C/∂w and ∂C/∂b", `These are the derivatives of C by all
      ${plural(n, "parameter")}. Gradient descent subtracts η times each of them, and starts again with the next
      sample.`],
  }[key].map(text => text.replace(/\s+/g, " "));
}

// The lines of loops.py that a step runs, as keys of data.source.lines.
const LINES_OF_STEP = {
  all: [], x: [], z: ["z"], a: ["a"], cost: ["cost"], bp1: ["cost_gradient", "bp1"], bp2: ["sum", "bp2"], bp3: ["bp3"],
  bp4: ["bp4"], gradient: ["bp3", "bp4"]};

function costFormula(at) {
  const {cost, parameter} = at.data;
  if (isOwn(at, cost)) return `${cost}, a cost of your own`;
  if (cost === "cross_entropy" && at.net.activations[lastLayer(at)] === "softmax") return "−Σ_j y[j] log a[j]";
  const of = cost === "huber" ? "from δ" : "q";
  return COSTS[cost].formula + (parameter === null ? "" : `, ${of} = ${number(parameter)}`);
}

// A sum as a table: rows {cells, value}, the largest ones in their order, then the others together. n counts terms
// that are given as one number.
function sumTable(heads, terms, total, extra = []) {
  const order = terms.map((_, i) => i).sort((i, j) => Math.abs(terms[j].value) - Math.abs(terms[i].value));
  const rest = order.slice(terms.length > MOST_TERMS + 1 ? MOST_TERMS : terms.length), left = new Set(rest);
  const rows = terms.filter((_, i) => !left.has(i)).map(term => [...term.cells, number(term.value)]);
  const blank = heads.slice(2).map(() => "");
  if (rest.length) {
    rows.push([`the ${plural(rest.length, "other")}`, ...blank,
      number(rest.reduce((sum, i) => sum + terms[i].value, 0))]);
  }
  for (const [name, value] of extra) rows.push([name, ...blank, number(value)]);
  return {heads, rows, foot: ["sum", ...blank, number(total)]};
}

// Each explanation is {title, rows}; a row has a head, lines of formulas, perhaps a table, the key of a line of code.
function explain(at, chosen) {
  return {neuron: explainNeuron, weight: explainWeight, path: explainPath, cost: explainCost, others: explainOthers}[
    chosen.kind](at, chosen);
}

function explainNeuron(at, {l, j}) {
  const L = lastLayer(at), {state, net} = at, name = label(at, l, j), rows = [];
  const a = nameOf("a", l, j), z = nameOf("z", l, j), delta = nameOf("δ", l, j);
  if (l === 0) {
    rows.push({head: "The input", lines: [`${a} = x[${j}] = ${number(state.a[0][j])}`]});
  } else {
    const terms = Array.from(state.a[l - 1], (a_k, k) => {
      const w = weightOf(at, l, j, k);
      return {cells: [`k = ${k}`, number(w), number(a_k)], value: w * a_k};
    });
    rows.push(
      {head: "Forward: z", lines: [
        `${z} = Σ_k ${nameOf("w", l, `${j},k`)} ${nameOf("a", l - 1, "k")} + ${nameOf("b", l, j)}`],
        table: sumTable(["", "w", "a", "w · a"], terms, state.z[l][j], [["bias b", net.b[l][j]]]), line: "z"},
      {head: "Forward: a", lines: [sigmaText(at, l, z, a),
        `${a} = σ(${number(state.z[l][j])}) = ${number(state.a[l][j])}`],
        line: "a"});
  }
  rows.push(l < L ? sumOverPaths(at, l, j) : byOutput(at, j));
  if (l > 0) {
    rows.push(l === L ? outputErrorRow(at, j) : {
      head: "Backwards, BP2: δ = ∂C/∂z", lines: [
        `${delta} = ∂C/∂${a} · σ′(${z})`, at.data.primes[l - 1],
        `${delta} = ${factor(state.dCda[l][j])} · ${factor(primeAt(at, l, j))} = ${number(state.delta[l][j])}`],
      line: "bp2"});
    rows.push({head: "Backwards, BP3: the bias", lines: [
      `∂C/∂${nameOf("b", l, j)} = ${delta} = ${number(state.delta[l][j])}`], line: "bp3"});
  }
  const what = l === 0 ? "Input" : l === L ? "Output" : "Neuron";
  return {title: `${what} ${j} of layer ${l}${name ? `: ${name}` : ""}`, rows};
}

function sigmaText(at, l, z, a) {
  const sigma = at.net.activations[l];
  return `${a} = σ(${z}), ${isOwn(at, sigma) ? `σ is ${sigma}` : `σ(z) = ${ACTIVATIONS[sigma].formula}`}`;
}

// ∂C/∂a_k = Σ_j w_jk σ′(z_j) ∂C/∂a_j: every neuron j of the next layer is a way from a_k to C.
function sumOverPaths(at, l, k) {
  const {state} = at, next = l + 1;
  const terms = Array.from(state.delta[next], (delta, j) => {
    const w = weightOf(at, next, j, k), split = factorsAtOutput(at, next, j).length > 1 || next < lastLayer(at);
    const rest = split ? `${number(primeAt(at, next, j))} · ${factor(state.dCda[next][j])}` : number(delta);
    return {cells: [`j = ${j}`, number(w), rest], value: w * delta};
  });
  const two = next < lastLayer(at) || factorsAtOutput(at, next, 0).length > 1;
  return {
    head: "Backwards: ∂C/∂a, the sum over all paths", lines: [
      `∂C/∂${nameOf("a", l, k)} = Σ_j ∂z[j]/∂a[${k}] · ${two ? "∂a[j]/∂z[j] · ∂C/∂a[j]" : "∂C/∂z[j]"}`],
    table: sumTable(["through", nameOf("w", next, `j,${k}`), two ? "σ′(z[j]) · ∂C/∂a[j]" : "δ[j]", "product"], terms,
      state.dCda[l][k]), line: "sum"};
}

function byOutput(at, j) {
  const L = lastLayer(at), {state, data} = at;
  return {head: "Backwards: ∂C/∂a", lines: [
    `∂C/∂${nameOf("a", L, j)} = ${data.costPrime}`,
    `with a = ${number(state.a[L][j])}, y = ${number(state.y[j])}: ${number(state.dCda[L][j])}`],
  line: "cost_gradient"};
}

function outputErrorRow(at, j) {
  const L = lastLayer(at), {state, net, data} = at, pair = pairAt(at), delta = nameOf("δ", L, j);
  const row = {head: "Backwards, BP1: δ = ∂C/∂z", line: "bp1"}, value = number(state.delta[L][j]);
  if (pair && pair.fused) {
    row.lines = [`${delta} = ${nameOf("a", L, j)} − y[${j}], because σ′ of ${net.activations[L]} cancels in ∂C/∂a · σ′`,
      `${delta} = ${number(state.a[L][j])} − ${factor(state.y[j])} = ${value}`];
  } else if (net.activations[L] === "softmax") {
    row.lines = [`${delta} = Σ_i ∂a[i]/∂z[${j}] · ∂C/∂a[i]: with softmax, every output depends on every z`];
    row.table = sumTable(["", `∂a[i]/∂z[${j}]`, "∂C/∂a[i]", "product"], Array.from(state.dCda[L], (dCda, i) => ({
      cells: [`i = ${i}`, number(primeAt(at, L, j, i)), number(dCda)], value: primeAt(at, L, j, i) * dCda})),
    state.delta[L][j]);
  } else {
    row.lines = [`${delta} = ∂C/∂${nameOf("a", L, j)} · σ′(${nameOf("z", L, j)})`, data.primes[L - 1],
      `${delta} = ${factor(state.dCda[L][j])} · ${factor(primeAt(at, L, j))} = ${value}`];
  }
  return row;
}

function explainWeight(at, {l, j, k}) {
  const {state} = at, w = nameOf("w", l, j, k), z = nameOf("z", l, j), value = weightOf(at, l, j, k);
  const a = state.a[l - 1][k], delta = state.delta[l][j], from = l === 1 ? "input" : "neuron";
  const {factors, product} = alongPath(at, {of: "weight", l: l - 1, neurons: [k, j]});
  return {title: `${w} = ${number(value)}: the weight from ${from} ${k} to neuron ${j} of layer ${l}`, rows: [
    {head: "Forward: its part of z", lines: [
      `${w} ${nameOf("a", l - 1, k)}, one of the ${plural(state.a[l - 1].length, "term")} of ${z}`,
      `= ${factor(value)} · ${factor(a)} = ${number(value * a)}`], line: "z"},
    {head: "Backwards, BP4", lines: [`∂C/∂${w} = ${nameOf("a", l - 1, k)} ${nameOf("δ", l, j)}`,
      `= ${factor(a)} · ${factor(delta)} = ${number(weightGradient(state, l, j, k))}`], line: "bp4"},
    {head: "The same as a product of derivatives, the chain rule", lines: [], table: factorTable(factors, product)}]};
}

function factorTable(factors, product) {
  return {heads: ["factor", "is", "value"], rows: factors.map(({symbol, is, value}) => [symbol, is, number(value)]),
    foot: ["product", "", number(product)]};
}

// ∂a/∂z · ∂C/∂a of an output; one factor, ∂C/∂z, where ∂a/∂z is a matrix or a product of 0 and ∞ (as Trace.factors).
function factorsAtOutput(at, l, j) {
  const {state, data} = at, z = nameOf("z", l, j), a = nameOf("a", l, j);
  const whole = at.net.activations[l] === "softmax", prime = primeAt(at, l, j);
  if (l === lastLayer(at) && (whole || !Number.isFinite(prime * state.dCda[l][j]))) {
    return [{symbol: `∂C/∂${z}`, is: pairAt(at)?.fused ? "a − y" : "δ", value: state.delta[l][j]}];
  }
  const is = l === lastLayer(at) ? data.costPrime : "the sum over all paths from here";
  return [{symbol: `∂${a}/∂${z}`, is: data.primes[l - 1], value: prime},
    {symbol: `∂C/∂${a}`, is, value: state.dCda[l][j]}];
}

// The factors along a path of one neuron of each layer from layer l on, as in Trace.path. `of`: the path begins with
// the weight from the first neuron to the second, or with the first neuron's activation.
function alongPath(at, {of, l, neurons}) {
  const factors = [];
  for (let i = 1; i < neurons.length; i++) {
    const to = l + i, j = neurons[i], k = neurons[i - 1], z = nameOf("z", to, j), a = nameOf("a", to - 1, k);
    const w = nameOf("w", to, j, k), end = factorsAtOutput(at, to, j);
    if (i === 1 && of === "weight") factors.push({symbol: `∂${z}/∂${w}`, is: a, value: at.state.a[to - 1][k]});
    else factors.push({symbol: `∂${z}/∂${a}`, is: w, value: weightOf(at, to, j, k)});
    factors.push(...(i < neurons.length - 1 ? end.slice(0, 1) : end));
  }
  return {factors, product: factors.reduce((product, {value}) => product * value, 1)};
}

// The path to the output with the largest |product|, from the neurons that are given.
function strongestPath(at, l, neurons) {
  const L = lastLayer(at), from = l + neurons.length - 1; // the layer of the last neuron given
  let best = Array.from(at.state.delta[L], Math.abs);
  const next = [];
  for (let m = L - 1; m >= from; m--) {
    next[m] = new Array(at.net.sizes[m]).fill(0);
    best = next[m].map((_, k) => {
      const prime = m > 0 ? Math.abs(primeAt(at, m, k)) : 1;
      const products = best.map((value, j) => Math.abs(weightOf(at, m + 1, j, k)) * value * prime);
      next[m][k] = Math.max(products.indexOf(Math.max(...products)), 0);
      return products[next[m][k]];
    });
  }
  const path = [...neurons];
  for (let m = from; m < L; m++) path.push(next[m][path[path.length - 1]]);
  return path;
}

function explainPath(at, {of, l, neurons}) {
  const {factors, product} = alongPath(at, {of, l, neurons}), {net, state} = at, [k, j] = neurons;
  const what = of === "weight" ? nameOf("w", l + 1, j, k) : nameOf("a", l, k), from = of === "weight" ? l + 1 : l;
  const n = net.sizes.slice(from + 1).reduce((paths, size) => paths * size, 1);
  const whole = of === "weight" ? weightGradient(state, l + 1, j, k) : state.dCda[l][k];
  return {title: `One path from ${what} to C: ${neurons.join(" → ")} → C`, rows: [
    {head: "The product of its factors", lines: [], table: factorTable(factors, product)},
    {head: n === 1 ? "The only path" : `The sum over all ${n.toLocaleString("en")} paths`, lines: [
      `∂C/∂${what} = ${number(whole)}${n === 1 ? "" : `; this path gives ${number(product)} of it`}`],
      line: of === "weight" ? "bp4" : "sum"}]};
}

function explainCost(at) {
  const L = lastLayer(at), {state, net} = at, total = number(state.C);
  const known = !isOwn(at, at.data.cost) && !isOwn(at, net.activations[L]);
  const rows = [{head: "The cost of this sample", lines: [`C = ${costFormula(at)}`], line: "cost"}];
  if (known) {
    const parts = Array.from(costTerms(state.z[L], state.a[L], state.y, net));
    rows[0].table = sumTable(["", "a", "y", "its part of C"], parts.map((value, j) => ({
      cells: [label(at, L, j) || `j = ${j}`, number(state.a[L][j]), number(state.y[j])], value})), state.C);
  }
  return {title: `C = ${total}`, rows};
}

// The neurons of a large layer that are not drawn one by one: their part of each z that is drawn, summed up.
function explainOthers(at, {l, shown}) {
  const {state, net} = at, rows = [], drawn = new Set(shown[l]), n = net.sizes[l];
  const others = Array.from({length: n}, (_, k) => k).filter(k => !drawn.has(k));
  const sum = term => others.reduce((total, k) => total + term(k), 0), count = plural(others.length, "other");
  if (l < lastLayer(at)) {
    rows.push({head: `Forward: what these ${count} add to z of layer ${l + 1}`, line: "z", lines: [], table: {
      heads: ["", "Σ w · a", "z[j]"], rows: shown[l + 1].map(j =>
        [`j = ${j}`, number(sum(k => weightOf(at, l + 1, j, k) * state.a[l][k])), number(state.z[l + 1][j])])}});
  }
  if (l > 0) {
    rows.push({head: `Backwards: what they add to ∂C/∂a of layer ${l - 1}`, line: "sum", lines: [], table: {
      heads: ["", "Σ w · δ", "∂C/∂a[k]"], rows: shown[l - 1].map(k =>
        [`k = ${k}`, number(sum(j => weightOf(at, l, j, k) * state.delta[l][j])), number(state.dCda[l - 1][k])])}});
  }
  return {title: `${count} of the ${plural(n, "neuron")} of layer ${l}, summed up`, rows};
}
