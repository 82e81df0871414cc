"""The methods of `Network` by topic: each checks what it is given, calls, and wraps."""
