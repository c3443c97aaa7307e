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

From the inside out:

- `context`, `moments`, `addresses`, `errors`: what travels with a call.
- `serving`: how a process serves and calls others.
- `topology`: what runs where, pure. `xds`: the same in Envoy's terms, pure, and the server
  that pushes it.
- `processes`, `guard`, `host`: what runs, and cannot outlive the host. The host is the process
  that was started; it starts the control plane, again whenever that dies.
- `launchers`, `envoy`: what the control plane has run by the host.
- `journal`, `recovery`: what a control plane means to do, and finds of the one before it.
- `data_plane`, `probes`, `deployment`, `restarts`, `owners`, `stack_changes`, `stacks`,
  `control_plane`: the life of stacks. `process_files`: what processes are handed.
- `__main__`: the host as a process. `control_process`, `server`, `translation`, `baseline`,
  `arguments`: the control plane as one. `client`, `service_client`,
  `leases`: the mesh from outside.
"""
