"""Calling services through the mesh: channels for threads and for asyncio."""
