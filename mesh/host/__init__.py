"""The host: owns Envoy and the service processes of one machine, and keeps the control plane.

It is small so that it need not be restarted: it starts what it is told, remembers it, and
ends it. `programs` is its memory, `server` and `client` the way to it, `keeper` starts the
control plane again, `ports` holds the addresses that must outlive it.
"""
