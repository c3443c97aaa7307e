"""The life of data: erasing profiles, letting go of old versions, backups.

What is taken out of the store is recorded in it (`upkeep`), physically gone from its files
(`scrub`) and from the copies made of it (`places`).
"""
