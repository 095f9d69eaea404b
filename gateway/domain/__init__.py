"""What a job is and may do. No I/O, no protocol: standard library and pydantic alone."""
