"""`tiles`: the loops of `loops.py` around register tiles, small blocks of a result that stay in vector registers."""
