"""The screen, driven by its keys and looked at in its cells, without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import timedelta

from tests.tui.sites import Screen, plant, read_again, showing, silent
from tests.web.site_of import NOW, report_of

from energymeter.clock import ManualClock
from energymeter.errors import ConfigError
from energymeter.service.desk import Desk
from energymeter.tui.app import TopApp
from energymeter.tui.desk_source import DeskSource
from energymeter.tui.source import (
    EventRow,
    FrameRow,
    LinkRow,
    MeterRow,
    MeterView,
    Overview,
    SourceLostError,
)

Test = Callable[[Screen], Awaitable[None]]
SMALL = (80, 24)


def on_screen(test: Test, desk: Desk | None = None, size: tuple[int, int] = (120, 30)) -> None:
    """Run a test on the screen of a plant."""

    async def run() -> None:
        async with showing(DeskSource(desk or plant()), size=size) as screen:
            await test(screen)

    asyncio.run(run())


def test_all_meters_are_listed_with_what_they_measure_and_count() -> None:
    async def test(screen: Screen) -> None:
        assert screen.column() == [f"m{number:02d}" for number in range(12)]
        cells = [cell.strip() for cell in screen.upper.shown[3]]
        assert cells[:6] == ["m03", "alive", "300 W", "4997 kWh", "good", "2 s"]
        assert "plant" in screen.head
        assert "12 meters: 12 alive" in screen.head
        assert "all is well" in screen.head

    on_screen(test)


def test_a_silent_meter_is_counted_and_says_why() -> None:
    desk = plant()
    silent(desk.snapshot.meters["m03"])

    async def test(screen: Screen) -> None:
        assert "11 alive, 1 silent" in screen.head
        assert "1 of 12 meters does not answer" in screen.head
        assert screen.column(1)[3] == "silent"
        assert screen.column(9)[3] == "no answer within 1 s"

    on_screen(test, desk)


def test_eighty_columns_have_room_for_large_numbers_old_values_and_long_names() -> None:
    desk = plant()
    desk.snapshot.site = "the whole of the old administration building, and the yard"
    state = silent(desk.snapshot.meters["m03"])
    report = state.reports[0]
    assert report is not None
    state.reports[0] = report_of(
        report.points, report.values, report.qualities, NOW - timedelta(minutes=58)
    )
    unit = desk.snapshot.links["north"].link.health.of(1)
    unit.requests = unit.answers = 23_456_773

    async def test(screen: Screen) -> None:
        assert "12 meters: 11 alive, 1 silent" in screen.head
        assert "58 min" in drawn(screen)
        await screen.press("tab")
        await screen.until(lambda: "23456773" in drawn(screen), "what was asked")

    def drawn(screen: Screen) -> str:
        upper = screen.upper
        return "\n".join(upper.render_line(y).text for y in range(upper.size.height))

    on_screen(test, desk, SMALL)


def test_the_filter_narrows_while_it_is_typed() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("slash", "m", "1")
        assert screen.column() == ["m10", "m11"]
        await screen.press("1")
        assert screen.column() == ["m11"]
        await screen.press("enter")
        assert "with 'm11'" in screen.head
        # The letters are commands again.
        await screen.press("s")
        assert screen.column() == ["m11"]
        await screen.press("escape")
        assert len(screen.column()) == 12

    on_screen(test)


def test_the_filter_knows_labels_links_and_states() -> None:
    desk = plant()
    silent(desk.snapshot.meters["m08"])

    async def test(screen: Screen) -> None:
        await screen.press("slash", *"roof")
        assert screen.column() == ["m00", "m04", "m08"]
        await screen.press("space", *"SOUTH")
        assert screen.column() == ["m08"]
        await screen.press("ctrl+u", *"silent")
        assert screen.column() == ["m08"]

    on_screen(test, desk)


def test_meters_are_sorted_by_one_column_after_the_other() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("s", "s", "s")
        assert screen.column()[:2] == ["m11", "m10"]
        await screen.press("S")
        assert screen.column()[:2] == ["m00", "m01"]
        await screen.press("s")
        # By what was counted: the first has most.
        assert screen.column()[0] == "m00"
        await screen.press("S")
        assert screen.column()[0] == "m11"

    on_screen(test)


def test_the_cursor_stays_with_its_meter_when_the_order_changes() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("down", "down", "s", "s", "s")
        assert screen.column()[-3] == "m02"
        assert screen.upper.chosen == "m02"

    on_screen(test)


def test_enter_opens_a_meter_with_all_its_values_and_its_events() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("down", "down", "down", "enter")
        await screen.until(lambda: len(screen.column()) == 3, "three values")
        assert [cell.strip() for cell in screen.upper.shown[0]] == [
            "voltage_phase_a",
            "230.1",
            "V",
            "good",
            "2 s",
            "",
        ]
        assert "m03  energymeter/electric, link north, unit 1  alive" in screen.head
        await screen.until(lambda: screen.lower.shown, "its events")
        assert [cells[3] for cells in screen.lower.shown] == ["m03 does not answer"]
        await screen.press("escape")
        assert screen.upper.chosen == "m03"

    on_screen(test)


def test_a_value_that_is_not_good_says_why() -> None:
    desk = plant()

    async def test(screen: Screen) -> None:
        await screen.press("enter")
        await screen.until(lambda: screen.column(3) == ["good"] * 3, "good values")
        assert isinstance(desk.clock, ManualClock)
        await desk.clock.advance(3600)
        await screen.until(lambda: screen.column(3) == ["stale"] * 3, "stale values")
        assert screen.column(4) == ["60 min"] * 3

    on_screen(test, desk)


def test_in_a_narrow_terminal_the_line_under_the_cursor_says_what_is_wrong() -> None:
    desk = plant()
    silent(desk.snapshot.meters["m01"])

    async def test(screen: Screen) -> None:
        assert "no answer within 1 s" not in screen.head
        await screen.press("down")
        assert "1-12 of 12  no answer within 1 s" in screen.head
        await screen.press("down")
        assert "no answer within 1 s" not in screen.head

    on_screen(test, desk, SMALL)


def test_tab_shows_the_links_and_enter_their_meters() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("tab")
        await screen.until(lambda: len(screen.column()) == 2, "two links")
        cells = [cell.strip() for cell in screen.upper.shown[0]]
        assert cells[:5] == ["north", "closed", "6", "25%", "0%"]
        assert cells[-1] == "tcp://192.0.2.1:502"
        await screen.press("down", "enter")
        await screen.until(lambda: len(screen.column()) == 6, "the meters of the link")
        assert screen.column()[0] == "m06"
        assert "rtu+tcp://192.0.2.2:502" in screen.head
        await screen.press("enter", "escape", "escape")
        assert screen.upper.chosen == "south"
        await screen.press("tab")
        assert len(screen.column()) == 12

    on_screen(test)


def test_e_shows_the_events_the_newest_first() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("e")
        await screen.until(lambda: len(screen.column()) == 2, "events")
        assert screen.column(3) == ["m03 does not answer", "started"]
        await screen.press("slash", *"warning")
        assert screen.column(3) == ["m03 does not answer"]
        await screen.press("escape", "escape")
        assert len(screen.column()) == 12

    on_screen(test)


def test_help_lists_the_keys_and_any_key_ends_it() -> None:
    async def test(screen: Screen) -> None:
        await screen.press("question_mark")
        assert len(screen.app.screen_stack) == 2
        await screen.press("x")
        assert len(screen.app.screen_stack) == 1
        # It was not taken for a command.
        await screen.press("question_mark", "q")
        assert screen.app.is_running
        assert len(screen.column()) == 12

    on_screen(test)


def test_everything_fits_into_80_columns_and_24_lines() -> None:
    async def test(screen: Screen) -> None:
        await screen.until(lambda: len(screen.upper.shown) == 19, "19 meters")
        assert screen.upper.titles == ["meter", "state", "now", "counted", "quality", "age", "late"]
        await screen.press("end")
        assert screen.column()[-1] == "m199"
        await screen.pilot.resize_terminal(200, 50)
        await screen.until(lambda: len(screen.upper.shown) == 45, "45 meters")
        assert screen.upper.titles[-3:] == ["polls", "link", "profile, or what is wrong"]
        await screen.pilot.resize_terminal(80, 24)
        await screen.until(lambda: len(screen.upper.shown) == 19, "19 meters again")
        assert screen.upper.chosen == "m199"

    on_screen(test, plant(200), SMALL)


def test_only_lines_that_changed_are_drawn_again() -> None:
    desk = plant(200)

    async def test(screen: Screen) -> None:
        await screen.pilot.pause(0.2)
        before = screen.upper.drawn_lines
        read_again(desk.snapshot.meters["m150"], 7.0)  # not on the screen
        await screen.pilot.pause(0.2)
        assert screen.upper.drawn_lines == before
        read_again(desk.snapshot.meters["m05"], 7.0)
        await screen.until(lambda: screen.column(2)[5] == "7 W", "the new value")
        await screen.pilot.pause(0.2)
        assert screen.upper.drawn_lines == before + 1

    on_screen(test, desk, SMALL)


def test_a_meter_that_goes_is_told_and_a_new_one_comes() -> None:
    desk = plant()

    async def test(screen: Screen) -> None:
        await screen.press("end", "enter")
        await screen.until(lambda: len(screen.column()) == 3, "three values")
        meters = desk.snapshot.meters
        meters["new"] = meters.pop("m11")
        await screen.until(lambda: "is not there any more" in screen.head, "that it is gone")
        await screen.press("escape")
        assert len(screen.column()) == 12

    on_screen(test, desk)


def test_names_cannot_move_the_cursor_nor_break_the_columns() -> None:
    desk = plant(1)
    state = desk.snapshot.meters["m00"]
    state.fault = "\x1b[2J [bold]\n漢字" * 20

    async def test(screen: Screen) -> None:
        strips = screen.app.screen._compositor.render_strips()
        assert all(strip.cell_length == 120 for strip in strips)
        text = "".join(strip.text for strip in strips)
        assert "\x1b" not in text
        assert "[bold]" in text

    on_screen(test, desk)


class Unsteady:
    """A source that can be lost."""

    place = "http://192.0.2.1:8080"

    def __init__(self, desk: Desk) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self.takes_s = 0.0
        self._inner = DeskSource(desk)

    async def overview(self) -> Overview:
        return await self._inner.overview()

    async def meters(self) -> Sequence[MeterRow]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.error is not None:
            raise self.error
        return await self._inner.meters()

    async def meter(self, name: str) -> MeterView | None:
        return await self._inner.meter(name)

    async def links(self) -> Sequence[LinkRow]:
        return await self._inner.links()

    async def events(self) -> Sequence[EventRow]:
        return await self._inner.events()

    def frames(self, link: str) -> AsyncGenerator[FrameRow]:
        return self._inner.frames(link)

    async def close(self) -> None:
        pass


def test_a_lost_connection_is_told_and_made_again() -> None:
    source = Unsteady(plant())

    async def run() -> None:
        async with showing(source) as screen:
            source.error = SourceLostError("nothing listens at http://192.0.2.1:8080")
            await screen.until(lambda: "connection lost" in screen.head, "that it is lost")
            assert "nothing listens" in screen.head
            # What was known stays on the screen, and keys go on working.
            await screen.press("slash", "m", "1")
            assert screen.column() == ["m10", "m11"]
            source.error = None
            await screen.until(lambda: "all is well" in screen.head, "that it is back")

    asyncio.run(run())


def test_a_service_that_does_not_let_us_in_any_more_ends_the_screen() -> None:
    source = Unsteady(plant())
    app = TopApp(source, interval_s=0.02)

    async def run() -> None:
        async with app.run_test() as pilot:
            await pilot.pause(0.05)
            source.error = ConfigError("the token is not taken")
            while app.is_running and app.return_value is None:
                await pilot.pause(0.01)

    asyncio.run(run())
    assert app.return_value == "the token is not taken"


def test_a_source_that_takes_its_time_is_asked_less_often() -> None:
    source = Unsteady(plant())

    async def run() -> None:
        async with showing(source) as screen:
            source.takes_s = 0.1
            await screen.pilot.pause(0.1)
            before = source.asked
            await screen.pilot.pause(1.0)
            # Each look takes 0.1 s and is followed by 0.4 s of peace.
            assert source.asked - before <= 3

    asyncio.run(run())
