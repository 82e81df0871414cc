"""Derivatives beyond the gradient, by loops over register tiles: of samples one by one, of second order.

They work on a `Model` and on checked arrays, and run on `tiles` whatever the formulation of the network is.
"""
