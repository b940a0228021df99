"""The HTTP side: pages, API, health, status, metrics. Looks at the snapshot, changes nothing.

    server = web_server(site.web, desk, prometheus=entry)

`app` puts the routes together, `serve` says where it listens. `guard` says who may ask, `login`,
`session` and `attempts` let people in, `headers` tells browsers what they may do. `api` is for
programs, `pages` for people; `verdict` judges how the service is doing, `status` tells everything,
`exposition` and its neighbours write the metrics.
"""
