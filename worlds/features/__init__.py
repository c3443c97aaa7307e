"""Features: pure functions from what members did to vectors, the same for past and present.

What is added up is added in fixed point, as integers, so that no order of events, no size of
a batch and no machine changes a single bit. See `worlds.features.fixed_point`.
"""
