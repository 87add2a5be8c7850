"""The searches, a folder or module each, and what they have in common."""
