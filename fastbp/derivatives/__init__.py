"""Derivatives beside the gradient, over register tiles. They work on a `Model` and arrays that have been checked."""
