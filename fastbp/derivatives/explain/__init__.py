"""One sample explained: every number of its pass, the factors of its derivatives, what a nudge does."""
