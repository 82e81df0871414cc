"""Training: a checked plan, the epochs, and the history; callbacks, metrics, early stopping."""
