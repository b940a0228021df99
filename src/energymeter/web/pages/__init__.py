"""The web pages: for people who look at the site, on a wall, at a desk, on a phone.

    mount(app, desk)

NiceGUI keeps the socket to each browser, tells when it is gone, and draws the charts; everything
else is HTML of ours (`markup`), of which the browser is sent what changed and nothing else
(`slots`, `live`). `server` makes NiceGUI a part of the application, `viewer` renews what one
browser shows, `siteview` holds what all of them look at. Each page is a `Page` of its own module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from energymeter.errors import ConfigError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from energymeter.service.desk import Desk

__all__ = ["mount"]


def mount(app: FastAPI, desk: Desk) -> None:
    """Serve the pages below `/`; routes of the application go first, whenever they are added.

    The application's lifespan starts and ends what the pages need, so its server has to run that.

    Args:
        app: The application. Who may ask is for its middleware to say.
        desk: What the pages tell.

    Raises:
        ConfigError: NiceGUI is not installed.
    """
    try:
        from energymeter.web.pages.server import serve_pages  # noqa: PLC0415 - an extra, and heavy
    except ImportError as error:
        msg = "the pages need NiceGUI: pip install 'energymeter[web]'"
        raise ConfigError(msg) from error
    serve_pages(app, desk)
