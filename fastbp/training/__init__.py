"""From a checked plan through the epochs to the history: what is watched, kept and told on the way."""
