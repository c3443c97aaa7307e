"""Experiments: which pages to make, how variants make them, and what the difference is.

From the ground up; a room imports only from those above it in this list:

- `errors`: what can go wrong.
- `documents/`: YAML files that people write: their text with lines, and all mistakes at once.
- `notifications/`: telling the owners of an experiment of its start, trouble and end.
- `spec/`: the experiment file.
- `scope/`, `ingest/`, `history/`: which pages an experiment makes; facts from files; the
  history of an entity as people look at it.
- `queue/`: the durable queue of the chunks of a run.
- `generation/`: making the pages: partitions, stacks, batches, files.
- `metrics/`: measuring pages, and comparing variants with control.
- `report/`: the answer, in HTML and in the terminal.
- `viewing/`, `validation/`: a single page; simulated pages against logged ones.
- `runs/`: a run from its file to its report, and its record.
- `cli/`: the `pagesim` command.
"""
