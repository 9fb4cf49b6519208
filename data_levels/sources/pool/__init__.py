"""The data pool of the paper as a source: 28 datasets with their level, size, licence and place."""
