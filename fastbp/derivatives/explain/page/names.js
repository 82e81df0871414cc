"use strict";
// How numbers and their names are written: as in the tables of net.trace.

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = l => String(l).replace(/\d/g, digit => RAISED[digit]);
const nameOf = (symbol, l, ...indices) => `${symbol}⁽${raised(l)}⁾${indices.length ? `[${indices.join(",")}]` : ""}`;
const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

// Four significant digits, with a true minus.
function number(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-4 || size >= 1e5) ? value.toExponential(3).replace(/\.?0+e/, "e")
    : String(size >= 1e4 ? Math.round(value) : Number(value.toPrecision(4)));
  return text.replace("+", "").replaceAll("-", "−");
}

// A number that fits into a neuron.
function shortNumber(value) {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return number(value);
  if (size >= 9999.5 || (size > 0 && size < 5e-4)) return value.toExponential(0).replace("+", "").replaceAll("-", "−");
  return value.toFixed(size < 0.1 && size > 0 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0).replace("-", "−");
}

const factor = value => value < 0 ? `(${number(value)})` : number(value);
