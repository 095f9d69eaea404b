"""The loops that move jobs. Each has one tick(), is woken by events, and polls only as a net."""
