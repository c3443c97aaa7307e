"""Worlds: where facts come from, and the live system that lived them forward.

From the ground up; a module imports only from those above it in this list:

- `errors`: what can go wrong.
- `durations`: lengths of time in microseconds.
- `manifest`, `draws`, `months`: what a world says of itself; draws that depend on nothing but
  a seed and a key; calendar months.
- `records`: the tables that a world consists of.
- `timeline`: their records in the order in which they became known.
- `visits`: when members come, and on which device.
- `external_ids`: names members and videos by texts.
- `production`, `directory`: production's documents over time; the files of a world.
- `features/`: from what members did to vectors, the same for past and present.
- `synthetic/`, `movielens/`, `live/`: a made-up streaming service; MovieLens as a world; the
  system that lives a world forward and logs its pages.
"""
