"""Derivatives of a network beyond its gradient, of checked arrays. They run on the loops of `tiles`."""
