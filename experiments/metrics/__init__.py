"""Metrics: what a page holds, how near it is to another, whether it showed what was played.

Each metric is one Ibis expression that gives one value per page; `registry.METRICS` lists
them. Pages are paired across variants by profile and as-of.
"""
