"""Dijet functions fitted to the m_jj spectrum."""
