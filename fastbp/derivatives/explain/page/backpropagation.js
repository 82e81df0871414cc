"use strict";
// Backpropagation of one sample as explicit loops, in double precision. The functions and their names are those of
// fastbp/formulations/loops.py, without its sums over the samples of a mini-batch.
//
// A network is {sizes, activations, cost, parameter, w, b} with layers l = 1 … L: w[l] is the matrix of layer l row by
// row, w_jk at [j * nIn + k]; activations[l] is the name of its σ. newState has room for the numbers of a sample.

// The σ of one neuron, σ′ as a function of z and a = σ(z), and the formula of σ.
const SELU = 1.0507009873554805, SELU_ALPHA = 1.6732632423543772;

const ACTIVATIONS = {
  identity: {sigma: z => z, prime: () => 1, formula: "z"},
  sigmoid: {sigma: sigmoid, prime: (z, a) => a * (1 - a), formula: "1 / (1 + exp −z)"},
  tanh: {sigma: Math.tanh, prime: (z, a) => (1 - a) * (1 + a), formula: "tanh z"},
  relu: {sigma: z => z <= 0 ? 0 : z, prime: z => z > 0 ? 1 : 0, formula: "z if z > 0, else 0"},
  leaky_relu: {
    sigma: z => z > 0 ? z : 0.01 * z, prime: z => z > 0 ? 1 : 0.01, formula: "z if z > 0, else 0.01 z"},
  elu: {
    sigma: z => z > 0 ? z : Math.expm1(z), prime: z => z > 0 ? 1 : Math.exp(z), formula: "z if z > 0, else exp z − 1"},
  selu: {
    sigma: z => SELU * (z > 0 ? z : SELU_ALPHA * Math.expm1(z)), prime: z => SELU * (z > 0 ? 1 : SELU_ALPHA * Math.exp(z)),
    formula: "1.0507 z if z > 0, else 1.7581 (exp z − 1)"},
  softplus: {sigma: softplus, prime: sigmoid, formula: "log(1 + exp z)"},
  silu: {
    sigma: z => z * sigmoid(z), prime: z => sigmoid(z) * (1 + z * (1 - sigmoid(z))), formula: "z / (1 + exp −z)"},
  mish: {
    sigma: z => z * Math.tanh(softplus(z)),
    prime: z => Math.tanh(softplus(z)) + z * sigmoid(z) * (1 - Math.tanh(softplus(z)) ** 2),
    formula: "z tanh(log(1 + exp z))"},
  gelu: {
    sigma: z => z * normal(z), prime: z => normal(z) + z * Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI),
    formula: "z Φ(z), Φ the normal distribution"},
  exponential: {sigma: Math.exp, prime: (z, a) => a, formula: "exp z"},
  softmax: {wholeLayer: true, formula: "exp z[j] / Σ_i exp z[i]"},
};

// C of one output, and ∂C/∂a under it.
const COSTS = {
  quadratic: {
    cost: (a, y) => (a - y) * (a - y) / 2,
    prime: (a, y) => a - y, formula: "½ Σ_j (a[j] − y[j])²"},
  squared_error: {
    cost: (a, y) => (a - y) * (a - y),
    prime: (a, y) => 2 * (a - y), formula: "Σ_j (a[j] − y[j])²"},
  cross_entropy: {
    cost: (a, y) => (y > 0 ? -y * Math.log(a) : 0) - (y < 1 ? (1 - y) * Math.log1p(-a) : 0),
    prime: (a, y) => (a - y) / (a * (1 - a)), formula: "−Σ_j (y[j] log a[j] + (1 − y[j]) log(1 − a[j]))"},
  absolute: {
    cost: (a, y) => Math.abs(a - y),
    prime: (a, y) => a > y ? 1 : a < y ? -1 : 0, formula: "Σ_j |a[j] − y[j]|"},
  huber: {
    cost: (a, y, delta) => {
      const distance = Math.abs(a - y);
      return distance <= delta ? distance * distance / 2 : delta * (distance - delta / 2);
    },
    prime: (a, y, delta) => Math.max(-delta, Math.min(delta, a - y)), formula: "Σ_j ½ (a[j] − y[j])², linear far out"},
  quantile: {
    cost: (a, y, q) => y > a ? q * (y - a) : (1 - q) * (a - y),
    prime: (a, y, q) => y > a ? -q : a > y ? 1 - q : 0,
    formula: "Σ_j q (y[j] − a[j]) if y[j] > a[j], else (1 − q) (a[j] − y[j])"},
  poisson: {
    cost: (a, y) => y > 0 ? a - y * Math.log(a) : a,
    prime: (a, y) => 1 - y / a, formula: "Σ_j (a[j] − y[j] log a[j])"},
};

// Pairs of output σ and C that are computed together, from z and a: C of one output, δ = ∂C/∂z under it. Where a is
// rounded to 0 or 1, C and ∂C/∂a of a alone are infinite. fused: δ is a − y, because σ′ cancels.
const PAIRS = {
  "sigmoid cross_entropy": {
    cost: (z, a, y) => (z > 0 ? (1 - y) * z : -y * z) + softplus(-Math.abs(z)),
    delta: (z, a, y) => a - y, fused: true},
  "softmax cross_entropy": {
    cost: (z, a, y, layer) => y * (layer.largest - z + layer.logSum),
    delta: (z, a, y) => a - y, fused: true},
  "exponential poisson": {
    cost: (z, a, y) => a - y * z,
    delta: (z, a, y) => a - y, fused: true},
  "sigmoid poisson": {
    cost: (z, a, y) => a + y * softplus(-z),
    delta: (z, a, y) => (a - y) * (1 - a)},
  "softplus poisson": {
    cost: (z, a, y) => a - y * (z < -40 ? z : Math.log(a)),
    delta: (z, a, y) => sigmoid(z) - y * (z < -40 ? 1 : sigmoid(z) / a)},
  "softmax poisson": {
    cost: (z, a, y, layer) => a + y * (layer.largest - z + layer.logSum),
    delta: (z, a, y, layer) => a * layer.sumOfTargets - y},
};

function sigmoid(z) {
  const e = Math.exp(-Math.abs(z));
  return (z < 0 ? e : 1) / (1 + e);
}

function softplus(z) {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

function normal(z) { // Φ(z), the probability of less than z
  return 0.5 * erfc(-z * Math.SQRT1_2);
}

// erfc x as in fastbp/functions/elementary.py: near 0, 1 − x p(x²); elsewhere exp(−x²) p(t) / (1 + 2x) with
// t = (x − 4)/(x + 4).
const ERFC_NEAR = [
  1.1283791670955126, -0.37612638903183604, 0.11283791670937898, -0.026866170637473253, 0.005223977454681391,
  -0.0008548305599770364, 0.00012053750488082924, -1.4857246494909789e-05, 1.485241336885272e-06];
const ERFC_FAR = [
  1.2329951186255526, -0.1396211168405625, 0.015379652102619752, 0.0680970542546888, -0.10103906603630355,
  0.09373283499851869, -0.06633036581227006, 0.037167515534110615, -0.016197734056719534, 0.005031970015108786,
  -0.0007577732997769206, -0.00019925694309118862, 0.00015062174465667972, -2.4398147791057386e-05,
  -1.1222298851945622e-05, 5.7067228176731405e-06, 2.944811486644857e-07, -8.198584056898327e-07,
  7.361084588792022e-08, 1.0355502450352846e-07, -1.705919438459936e-08, -9.760595624353998e-09,
  1.5346447153161199e-09];

function polynomial(x, coefficients) {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);
}

function erfc(x) {
  const far = Math.abs(x);
  if (far <= 0.475) return 1 - x * polynomial(x * x, ERFC_NEAR);
  const upper = Math.fround(far), lower = far - upper; // so that far² = upper² + the rest, nearly exact
  const power = Math.exp(-upper * upper) * Math.exp(-lower * (far + upper));
  const tail = power * polynomial((far - 4) / (far + 4), ERFC_FAR) / (1 + 2 * far);
  return x < 0 ? 2 - tail : tail;
}

// z_j = Σ_k w_jk a_k + b_j, a_j = σ(z_j): one layer. Writes z, a.
function forward(z, a, w, b, aPrevious, activation) {
  const nIn = aPrevious.length;
  for (let j = 0; j < z.length; j++) {
    let weightedInput = b[j];
    for (let k = 0; k < nIn; k++) weightedInput += w[j * nIn + k] * aPrevious[k];
    z[j] = weightedInput;
  }
  const {sigma, wholeLayer} = ACTIVATIONS[activation];
  if (wholeLayer) softmax(a, z);
  else for (let j = 0; j < z.length; j++) a[j] = sigma(z[j]);
}

function softmax(a, z) {
  const largest = Math.max(...z);
  let total = 0;
  for (let j = 0; j < z.length; j++) total += a[j] = Math.exp(z[j] - largest);
  for (let j = 0; j < z.length; j++) a[j] /= total;
}

// δ_j = ∂C/∂a_j · σ′(z_j): BP1, the output layer. With softmax, δ_j = Σ_i ∂a_i/∂z_j · ∂C/∂a_i. Writes delta.
function outputError(delta, z, a, y, net) {
  const pair = pairOf(net), {prime, wholeLayer} = ACTIVATIONS[net.activations[net.activations.length - 1]];
  const layer = wholeLayerNumbers(z, a, y), dCda = costGradient(a, y, net);
  let mean = 0;
  if (wholeLayer && !pair) for (let i = 0; i < a.length; i++) mean += a[i] * dCda[i];
  for (let j = 0; j < z.length; j++) {
    if (pair) delta[j] = pair.delta(z[j], a[j], y[j], layer);
    else if (wholeLayer) delta[j] = a[j] * (dCda[j] - mean);
    else delta[j] = dCda[j] * prime(z[j], a[j]);
  }
}

// δ_k = (Σ_j w_jk δ_j) · σ′(z_k): BP2, one layer back. `forward` read w_jk along k for z_j; this reads it along j.
// Writes dCdaPrevious, which is the sum, and deltaPrevious; the input layer has no z and no δ.
function propagateError(deltaPrevious, dCdaPrevious, zPrevious, aPrevious, w, delta, activation) {
  const nIn = aPrevious.length;
  for (let k = 0; k < nIn; k++) {
    let sum = 0;
    for (let j = 0; j < delta.length; j++) sum += w[j * nIn + k] * delta[j];
    dCdaPrevious[k] = sum;
    if (deltaPrevious) deltaPrevious[k] = sum * ACTIVATIONS[activation].prime(zPrevious[k], aPrevious[k]);
  }
}

// ∂C/∂w_jk = a_k δ_j: BP4; and BP3, ∂C/∂b_j = δ_j.
function weightGradient(state, l, j, k) {
  return state.a[l - 1][k] * state.delta[l][j];
}

// ∂C/∂a of the outputs. With softmax, cross_entropy is −Σ_j y_j log a_j.
function costGradient(a, y, net) {
  const categorical = net.cost === "cross_entropy" && net.activations[net.activations.length - 1] === "softmax";
  return Float64Array.from(a, (a_j, j) =>
    categorical ? (y[j] === 0 ? 0 : -y[j] / a_j) : COSTS[net.cost].prime(a_j, y[j], net.parameter));
}

// The cost of each output; C is their sum.
function costTerms(z, a, y, net) {
  const pair = pairOf(net), layer = wholeLayerNumbers(z, a, y);
  return Float64Array.from(a, (a_j, j) =>
    pair ? pair.cost(z[j], a_j, y[j], layer) : COSTS[net.cost].cost(a_j, y[j], net.parameter));
}

function pairOf(net) {
  return PAIRS[`${net.activations[net.activations.length - 1]} ${net.cost}`];
}

// What pairs with softmax need of the whole layer: log a_j = z_j − largest − logSum.
function wholeLayerNumbers(z, a, y) {
  const i = z.indexOf(Math.max(...z));
  let others = 0, sumOfTargets = 0;
  for (let j = 0; j < z.length; j++) {
    others += j === i ? 0 : a[j];
    sumOfTargets += y[j];
  }
  return {largest: z[i], logSum: Math.log1p(others / a[i]), sumOfTargets};
}

function newState(sizes) {
  const arrays = () => sizes.map(n => new Float64Array(n));
  return {a: arrays(), z: arrays(), delta: arrays(), dCda: arrays(), C: NaN, y: null};
}

// All layers from layer `first` on, and C. The a before it are already there: a[0] is x. Writes z, a, C.
function forwardSample(state, net, y, first = 1) {
  const L = net.sizes.length - 1;
  for (let l = first; l <= L; l++) {
    forward(state.z[l], state.a[l], net.w[l], net.b[l], state.a[l - 1], net.activations[l]);
  }
  state.y = y;
  state.C = costTerms(state.z[L], state.a[L], y, net).reduce((sum, term) => sum + term, 0);
  return state;
}

// The errors of all layers, from the output back. Writes delta, dCda.
function backwardSample(state, net, y) {
  const L = net.sizes.length - 1, {z, a, delta, dCda} = state;
  dCda[L].set(costGradient(a[L], y, net));
  outputError(delta[L], z[L], a[L], y, net);
  for (let l = L; l > 0; l--) {
    propagateError(l > 1 ? delta[l - 1] : null, dCda[l - 1], z[l - 1], a[l - 1], net.w[l], delta[l],
      net.activations[l - 1]);
  }
  return state;
}

// ∂a/∂z: σ′(z_j), of softmax ∂a_i/∂z_j.
function sigmaPrime(state, net, l, j, i = j) {
  const {prime, wholeLayer} = ACTIVATIONS[net.activations[l]], a = state.a[l];
  return wholeLayer ? a[i] * ((i === j ? 1 : 0) - a[j]) : prime(state.z[l][j], a[j]);
}

// Numbers written by Python (`packed` in document.py): base 85 of bits, for each number its sign and its mantissa; then,
// from a whole byte on, the place of its exponent in e, counted from 1: its m binary digits behind m − 1 zeros.
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";
function unpack({f, n, e, d}) {
  const digit = new Uint8Array(128), bits = new DataView(new ArrayBuffer(d.length / 5 * 4 + 4));
  for (let i = 0; i < 85; i++) digit[DIGITS.charCodeAt(i)] = i;
  for (let i = 0, word = 0; i < d.length; word += 4) {
    let number = 0;
    for (const end = i + 5; i < end; i++) number = number * 85 + digit[d.charCodeAt(i)];
    bits.setUint32(word, number);
  }
  let at = 0;
  const next = () => { // the next 32 bits
    const word = at >> 5 << 2, skipped = at & 31, first = bits.getUint32(word);
    return skipped ? first << skipped | bits.getUint32(word + 4) >>> 32 - skipped : first;
  };
  const read = count => { // 1 to 32 bits, as a number
    const number = next() >>> 32 - count;
    at += count;
    return number;
  };
  const long = f === "f8", size = long ? 8 : 4, upper = long ? 20 : 23; // bits of a mantissa in the word of the exponent
  const numbers = new DataView(new ArrayBuffer(size * n));
  for (let i = 0; i < n; i++) {
    numbers.setUint32(size * i, read(1) << 31 | read(upper));
    if (long) numbers.setUint32(size * i + 4, read(32));
  }
  at += -at & 7;
  for (let i = 0; i < n; i++) {
    const zeros = Math.clz32(next());
    at += zeros;
    numbers.setUint32(size * i, numbers.getUint32(size * i) | e[read(zeros + 1) - 1] << upper);
  }
  return Float64Array.from({length: n}, (_, i) => long ? numbers.getFloat64(8 * i) : numbers.getFloat32(4 * i));
}

// θ in the order of net.parameters: w(1), b(1), …, w(L), b(L).
function networkOf(data, theta) {
  const w = [null], b = [null], {sizes} = data;
  for (let l = 1, at = 0; l < sizes.length; l++) {
    w.push(theta.slice(at, at += sizes[l] * sizes[l - 1]));
    b.push(theta.slice(at, at += sizes[l]));
  }
  return {sizes, w, b, activations: [null, ...data.activations], cost: data.cost, parameter: data.parameter};
}

// One array for each layer from layer `first` on, out of one for all of them.
function byLayer(numbers, sizes, first) {
  let at = 0;
  return sizes.map((n, l) => l < first ? null : numbers.slice(at, at += n));
}
