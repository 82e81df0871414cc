"""Backpropagation of many small networks at once: `loops.py` with every number a register of nets."""
