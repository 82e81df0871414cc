"""One sample as a page: an HTML file that computes forward and backward again when a reader changes a number."""

from fastbp.derivatives.explain.page.document import Snapshot, html_of, inline, write

__all__ = ["Snapshot", "html_of", "inline", "write"]
