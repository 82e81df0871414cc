"""The parts of ``benchmarks/peers.py``: the cases, a module for each peer, their processes, the report."""
