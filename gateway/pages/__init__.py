"""Pages for people. They are plain clients of the documents and operations, and know no protocol."""
