"""Checks built pages: every link inside the site leads somewhere, and nothing is loaded from another host."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """ids: what a link may lead to; links: where its own lead; loads: what a browser fetches to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attributes}
        self.ids |= {own[name] for name in ("id", "name") if name in own}
        if tag == "a" and "href" in own:
            self.links.add(own["href"])
        if tag in LOADS and LOADS[tag] in own and own.get("rel") != "canonical":
            self.loads.add(own[LOADS[tag]])


def complaints(folder: Path) -> list[str]:
    """One sentence for each link that leads nowhere and each address of another host that a page loads from."""
    paths = (path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts)  # templates of the theme
    pages = {path: Page(path.read_text("utf-8")) for path in paths}
    return [f"{path.relative_to(folder)}: {text}" for path in pages for text in _of_page(path, pages, folder)]


def _of_page(path: Path, pages: dict[Path, Page], folder: Path) -> Iterator[str]:
    page = pages[path]
    for address in sorted(page.links | page.loads):
        parts = urlsplit(address)
        if parts.scheme == "data" or not (parts.scheme or parts.netloc or parts.path or parts.fragment):
            continue
        if parts.scheme or parts.netloc:
            if address in page.loads:
                yield f"loads {address} from another host"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_relative_to(folder.resolve()) or not target.is_file():
            yield f"leads to {address}, which is not there"
        elif "=" in parts.fragment:  # settings of the studio, not a place
            continue
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
            yield f"leads to {address}, but that page has no such place"
