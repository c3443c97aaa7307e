"""Metrics of pages: what they show, how similar they are, whether they showed what was played.

Each metric is one Ibis expression that gives one value per page; `registry.METRICS` lists
them. Pages are paired across variants by profile and as-of.
"""
