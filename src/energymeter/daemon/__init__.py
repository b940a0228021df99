"""What `energymeter run` is: a site file brought to life, kept alive, and changed while it runs.

`installation` builds the service, its store and its sinks from a site; `daemon` starts it, reloads
the file when it changes, and ends it when it is told to; `tending` has old readings compressed;
`logs` and `notify` speak to the operator and to systemd.
"""
