"""Compiled loops. Everything here trusts its arguments, allocates nothing and imports nothing from above."""
