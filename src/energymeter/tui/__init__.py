"""The terminal screen of a running service: what `energymeter top` shows.

`source` says what is asked of a service, `desk_source` and `http_source` ask it, `tables` says
what of it stands in which column, `grid` and `pane` draw, `app` puts it together. Needs the extra
`tui` (textual), so nothing imports it but who shows the screen.
"""
