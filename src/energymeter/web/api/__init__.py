"""The API for programs, below `/api/v1`.

`answers` and `service_answers` say what comes back, field by field. `meters`, `history`, `buses`
(links, sinks, store, events), `shelf` (profiles) and `orders` (reload, read at once) are the
routes; `changes` finds what is new for somebody who listens, `stream` and `live` send it, as
server-sent events and through a web socket; `frames` sends what goes over a link.
"""
