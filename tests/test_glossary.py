"""The glossary has every term that a page links to, once, where a reader looks for it."""

import re

import pytest

from lineart.config import ROOT

GLOSSARY = ROOT / "notebooks" / "glossary.md"
PAGES = sorted((ROOT / "notebooks").glob("*.ipynb"))
TERMS = re.findall(r"^## (.+)$", GLOSSARY.read_text("utf-8"), re.MULTILINE)


def slug(heading: str) -> str:
    """The end of a link to a heading, as GitHub and MyST make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", [GLOSSARY, *PAGES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_every_link_to_a_term_has_its_heading(path):
    text = path.read_text("utf-8")
    linked = set(re.findall(r"glossary\.md#([\w-]+)", text))
    if path == GLOSSARY:
        linked |= set(re.findall(r"\]\(#([\w-]+)\)", text))
        assert linked, "its terms refer to each other"
    assert linked <= {slug(term) for term in TERMS}, linked - {slug(term) for term in TERMS}


def test_terms_are_in_alphabetical_order_and_each_stands_once():
    assert [*TERMS] == sorted(TERMS, key=str.casefold)
    assert len({slug(term) for term in TERMS}) == len(TERMS)


def test_a_term_is_explained_in_a_few_sentences():
    for entry in re.split(r"^## .+$", GLOSSARY.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        assert 10 <= len(entry.split()) <= 90, entry
