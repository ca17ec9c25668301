"""Pictures of pages for the documents, taken while tests run if `make pictures` asks for them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, ViewportSize

IMAGES = Path(__file__).parents[2] / "docs" / "images"

VIEW: ViewportSize = {"width": 1000, "height": 700}

ARE_WANTED = bool(os.environ.get("PICTURES"))


def picture(page: Page, name: str, height: int) -> None:
    """Save the upper part of a page."""
    if ARE_WANTED:
        _save(_shot(page, _upper(height)), name)


def picture_between(page: Page, name: str, first: Locator, behind: Locator) -> None:
    """Save what stands on a page from the top of one element to that of another."""
    if ARE_WANTED:
        top, bottom = (one.bounding_box() for one in (first, behind))
        assert top is not None
        assert bottom is not None
        part: FloatRect = {**_upper(0), "y": top["y"], "height": bottom["y"] - top["y"]}
        _save(_shot(page, part), name)


@dataclass
class Recording:
    """A moving picture of the upper part of a page; each frame is of a state that was awaited."""

    page: Page
    height: int
    _frames: list[Image.Image] = field(default_factory=list)
    _durations: list[int] = field(default_factory=list)

    def frame(self, milliseconds: int) -> None:
        """Take a frame, which is shown for as long."""
        if ARE_WANTED:
            self._frames.append(_shot(self.page, _upper(self.height)))
            self._durations.append(milliseconds)

    def save(self, name: str) -> None:
        """Save it. All frames have the colours of the last one: what changes is saved alone."""
        if ARE_WANTED:
            last = self._frames[-1].quantize(128)
            first, *others = (
                frame.quantize(palette=last, dither=Image.Dither.NONE) for frame in self._frames
            )
            first.save(
                IMAGES / f"{name}.gif",
                save_all=True,
                append_images=others,
                duration=self._durations,
                loop=0,
                optimize=True,
            )


def _upper(height: int) -> FloatRect:
    return {"x": 0, "y": 0, "width": VIEW["width"], "height": height}


def _shot(page: Page, part: FloatRect) -> Image.Image:
    data = page.screenshot(animations="disabled", clip=part, full_page=True)
    return Image.open(BytesIO(data)).convert("RGB")


def _save(shot: Image.Image, name: str) -> None:
    shot.quantize(128).save(IMAGES / f"{name}.png", optimize=True)
