"""Links: those between files lead somewhere, others only to hosts that we know.

The site's generator checks the pages in `docs` as well; nothing here asks the network.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.documents.pages import OTHERS, PAGES, ROOT, anchors, links

HOSTS = {"keepachangelog.com", "semver.org"}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme == "https", link
            assert parts.netloc in HOSTS, link
            continue
        target = (page.parent / parts.path) if parts.path else page
        assert target.is_file(), link
        assert not parts.fragment or parts.fragment in anchors(target), link


def test_no_host_is_listed_in_vain() -> None:
    found = {urlsplit(link).netloc for page in [*PAGES, *OTHERS] for link in links(page)}
    assert found - {""} == HOSTS


def test_every_picture_is_shown() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert set((ROOT / "docs" / "images").iterdir()) <= shown


def test_the_first_page_of_the_site_leads_to_all_others() -> None:
    index = next(page for page in PAGES if page.name == "index.md")
    listed = set(index.read_text().split())
    assert {page.stem for page in index.parent.glob("*.md")} - {"index"} <= listed
