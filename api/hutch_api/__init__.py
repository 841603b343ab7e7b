"""The server of hutch: names, rights, types and history; never the bytes."""
