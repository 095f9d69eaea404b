"""Words with which engines tell the state of a container."""

RUNNING = ("running", "paused", "stopping")
"""Not ended. `stopping` is what podman says of one that was asked to end; it denies that such a one runs."""
