"""The services that make a page, each in its own process, or all in one.

From the ground up; a room imports only from those above it in this list:

- `errors`: what can go wrong.
- `page/`: pages, their configuration, the inputs of production, their bytes.
- `shared_facts/`: facts that several services read, kept per epoch.
- `process`: how a service runs as a process of the mesh.
- `filtering/`, `ranking/`, `dedup/`: one service each: `stage` does the work over arrays,
  `task` is what is asked and answered, `wire` its messages, `server` the servicer.
- `assembler/`: the service that makes pages with the help of the other three.
- `in_process`, `warm_up`: whole pages in one process; compiling all kernels.
"""
