"""The parts of ``benchmarks/peers.py``: the cases, one module for each peer, the processes they run in, the report."""
