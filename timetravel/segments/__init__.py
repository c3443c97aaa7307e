"""Segments: the facts of one snapshot as sorted arrays, read at any moment without SQL.

SQL stays the truth. A segment is read out of it once per snapshot (`build`), kept on disk
under its content (`directory`), mapped into every process that asks (`segment`) and answers
like the SQL reader, bit for bit (`reader`): a contract suite holds the two together.
"""
