"""One sample as a page: an HTML file that computes forward and backward again when a reader changes a number."""

from fastbp.derivatives.explain.page.document import html_of, inline, write

__all__ = ["html_of", "inline", "write"]
