"""The server of experiments: many experiments, made by worker processes that may die.

::

    pagesim server
    ├── doors         takes experiments in, tells how they are (gRPC)
    ├── controller    brings each experiment through its steps; one leads, others wait
    │   ├── plan      draws the pages of an experiment and posts its chunks
    │   ├── measure   measures slices once they are made, compares, writes the report
    │   └── tell      tells the owners how the experiment is
    └── worker ...    has a mesh of its own, leases chunks, makes their pages

All of them share a database (register and queue) and a folder (runs), and nothing else: each
may be killed at any time, and is started again by the server.

- `settings`: what every process is told.
- `fair_shares`: whose pages are made next.
- `steps`: plan and measure; `telling`: what its owners are told of an experiment.
- `doors/`: ExperimentService: what may be asked of a server, and who asks it.
- `controller`, `worker`: the processes.
- `programs`, `supervision`: which there are, and what keeps them running.
"""
