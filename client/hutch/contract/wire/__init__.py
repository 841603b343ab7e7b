"""The JSON of the API as types: declared once, used by server and client.

Plain frozen dataclasses. Times are aware UTC and travel as RFC 3339, ids as UUIDs,
sizes are bytes, ``crc64nvme`` is the base64 of eight big-endian bytes as S3 writes
it, ``sha256`` is 64 lower-case hexadecimal digits. Fields may be added, with a
default; none is renamed or removed.
"""
