"""The mathematics of one number: activations, costs, pairs of both, initializers, elementary functions."""
