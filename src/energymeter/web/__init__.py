"""The HTTP side of the service: health, status, metrics. Looks at the snapshot, changes nothing.

    server = web_server(site.web, desk, prometheus=entry)

`app` puts the routes together, `guard` says who may ask, `serve` where it listens; `verdict` judges
how the service is doing, `status` tells everything, `exposition` and its neighbours write the
metrics.
"""
