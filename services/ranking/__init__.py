"""Ranking: the order of videos inside rows, and a score for each row."""
