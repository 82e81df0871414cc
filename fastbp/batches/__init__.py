"""The samples of a training: where they come from (memory, files, chunks), their order and their weights."""
