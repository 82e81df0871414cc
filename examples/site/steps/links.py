"""Checks pages: every link leads to a file and a place in it that exist, and nothing is loaded from elsewhere."""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"src", "srcset", "poster", "data"}  # attributes that load what they name
LOADING = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch", "manifest"}


class Page(HTMLParser):
    """The links of a page and the places in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[tuple[str, bool]] = []  # and whether the page loads what is there
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        self.links += [(given[name], True) for name in LOADED & given.keys()]
        if "href" in given:
            self.links.append((given["href"], tag == "link" and bool(LOADING & set(given.get("rel", "").split()))))


page = cache(Page)


def wrong(folder: Path) -> list[str]:
    """Return what is wrong with the links of the pages in a folder."""
    found = []
    pages = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]  # a theme's template
    for path in pages:
        for link, loads in page(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if loads and parts.scheme != "data":
                    found.append(f"{path.relative_to(folder)} loads {link}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{path.relative_to(folder)}: there is no {link}")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in page(target).places:
                found.append(f"{path.relative_to(folder)}: no place for {link}")
    return found


def report(folder: Path) -> int:
    """Print what is wrong, and return how often."""
    found = wrong(folder)
    print(*found, sep="\n", end="\n" if found else "", file=sys.stderr)
    return len(found)
