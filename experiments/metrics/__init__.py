"""Metrics of pages: what they show, how similar they are, whether they showed what was played.

Each metric is one small compiled function over a page's columns; `registry.METRICS` lists
them. Variants hold the same pages in the same order, so pages are paired by their place.
"""
