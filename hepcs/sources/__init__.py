"""Sources of events: files in several formats, and what writes them.

:mod:`~hepcs.sources.base` says what every source yields. :func:`hepcs.sources.opening.open_files` turns a section
of the card into the source that reads its files, :func:`hepcs.sources.convert.convert` streams a source into
another format.
"""
