"""The adaptive curriculum: what has saturated, what still grows, and what to do about it."""
