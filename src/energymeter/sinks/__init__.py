"""Where readings are passed on to: MQTT, InfluxDB, webhooks, CSV files, JSON lines.

    sink = make_sink(entry, site.name)

Each kind is a `service.sink.Sink` in a module of its own, whose driver is imported when it is
made. Prometheus asks for readings instead of being sent them: see `registry.is_pushed`.
"""
