"""The rows of the table: one file per row, or for a few that are of one kind."""
