"""Features: pure functions from members' events to vectors.

What is added up is added in fixed point, as integers, so that no order of events, no size of
a batch and no machine changes a single bit. See `worlds.features.fixed_point`.
"""
