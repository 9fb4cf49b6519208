"""The invariants of L4 to L6: what a teacher may not add, lose or contradict."""
