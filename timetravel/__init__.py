"""The time-travel store: facts with valid, knowledge and transaction time, and their service.

From the ground up; a room imports only from those above it in this list:

- `errors`: what can go wrong.
- `facts/`: facts as values.
- `database/`: tables, connections, migrations, compiled SQL.
- `reading/`: what can be asked of facts as of a moment, and the answers, whoever gives them.
- `queries/`: reading in SQL, as of a moment and live.
- `upkeep/`: what is recorded of erasures and retention, and where copies of facts lie.
- `writing/`: appending facts.
- `segments/`: a snapshot laid out as sorted arrays, for fast reading.
- `ledger/`: the record itself: every version of a fact, and when it was visible.
- `store`: the entry point: one object that opens a store and reaches all of the above.
- `reader_pool`: readers of pinned snapshots, shared between threads.
- `rpc/`: the gRPC service of the past, its client, their messages.
- `ingest/`: records from outside, checked and taken chunk by chunk, by file or by stream.
- `removal/`: taking facts out: erase a profile, keep only what a cutoff needs.
- `backup/`: copying a store out, and restoring it.
- `__main__`: the service as a process.
"""
