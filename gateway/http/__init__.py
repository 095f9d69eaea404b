"""What both doors need of HTTP: bodies, credentials, request ids, preconditions, compression, the guard."""
