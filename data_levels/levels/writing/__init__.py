"""L4 to L8: what is asked of a teacher, and what becomes of the answers."""
