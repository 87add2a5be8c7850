"""What a search sees of jets and events: one maker a module, made once and kept by content."""
