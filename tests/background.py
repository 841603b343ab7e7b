"""Small servers of tests, each in a thread while a block lasts."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Threads:
    """What such a server has beside its kind: a thread for each caller, in numbers."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    """Have a server answer while the block lasts, and close it."""
    with server:
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
