"""The command line: a user of the library, and the only place that prints."""
