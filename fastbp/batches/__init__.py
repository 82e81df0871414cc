"""Where samples come from (memory, files, chunks), in which order, and what each of them weighs."""
