"""The paths of the pages. NiceGUI is told once; each request says which site it is about."""

from __future__ import annotations

from nicegui import Client, ui
from starlette.requests import Request

from energymeter.web.pages.events import EventsPage
from energymeter.web.pages.link import LinkPage
from energymeter.web.pages.links import LinksPage
from energymeter.web.pages.meter import MeterPage
from energymeter.web.pages.overview import OverviewPage
from energymeter.web.pages.server import site_of

__all__ = ["register"]


def register() -> None:
    """Tell NiceGUI which pages there are."""

    @ui.page("/")
    def overview(request: Request, client: Client) -> None:
        OverviewPage(site_of(request), request, client)

    @ui.page("/meter/{name:path}")
    def meter(request: Request, client: Client, name: str) -> None:
        MeterPage(site_of(request), request, client, name)

    @ui.page("/links")
    def links(request: Request, client: Client) -> None:
        LinksPage(site_of(request), request, client)

    @ui.page("/link/{name:path}")
    def link(request: Request, client: Client, name: str) -> None:
        LinkPage(site_of(request), request, client, name)

    @ui.page("/events")
    def events(request: Request, client: Client) -> None:
        EventsPage(site_of(request), request, client)
