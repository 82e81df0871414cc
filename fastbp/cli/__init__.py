"""The command line: `fastbp train`, `predict`, `compare`, `replay`, `info`."""
