"""Derivatives beyond the gradient: of single samples, Jacobians, along directions, and of second order.

They take a `Model` and checked arrays. They run on the loops of `tiles`, whatever the formulation of the network.
"""
