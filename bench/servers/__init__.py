"""The servers that are measured, one file each; each runs as a process of its own on the servers' core."""
