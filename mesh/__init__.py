"""The mesh: routes every experiment to its own stack, at its own moment in time.

A call, from a client to a service and on to the next one::

    client        current_context()  ->  x-pagesim-stack, x-pagesim-as-of, traceparent
    Envoy         finds the stack's virtual host; refuses wrong calls with gRPC errors;
                  stamps as-of, known-by, snapshot and variant over whatever was sent;
                  picks a replica: the stack's own, else the baseline's
    service       reads the headers into current_context(), or refuses the call
    next call     the same again, within what is left of the deadline

A service in any language joins by forwarding `x-pagesim-stack` and `traceparent` of the call
being served on every call that it makes to the mesh.

From the ground up; a room imports only from those above it in this list:

- `errors`: what can go wrong.
- `call/`: what a call carries, on either side: addresses, context, deadline, trace.
- `security/`: who may call and change the mesh: certificates, tokens, TLS.
- `process/`: child processes, and how they die with their parent.
- `topology/`: what runs where, as pure data; its files and messages.
- `channels/`: channels to services, for threads and for asyncio.
- `serving/`: how a process serves: for threads, for asyncio, with metrics and logs.
- `host/`: the process that runs all others and outlives the control plane, and its client.
- `xds/`: the topology in Envoy's terms, pure, and the server that pushes it.
- `envoy/`: Envoy as a child process, its view of the topology, its access log.
- `stacks/`: the life of stacks: launch, route, probe, restart, recover, remove.
- `control/`, `client/`, `observation/`: the control plane; the mesh from outside; its traffic
  and logs as people look at them.
- `__main__`: the host as a process, which starts the control plane, again whenever that dies.
"""
