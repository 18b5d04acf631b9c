"""A bounded hand-over of items from one thread to another that either side may end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A queue of at most ``depth`` items between one producer and one consumer.

    The producer calls :meth:`put` and, at the end, :meth:`finish`; the consumer iterates. A
    consumer that stops early calls :meth:`close`, upon which ``put`` returns False.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._items: deque[T] = deque()
        self._finished = False
        self._closed = False
        self._changed = Condition()

    def put(self, item: T) -> bool:
        """Hand over an item, waiting for room; False when the consumer has closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def finish(self) -> None:
        """No more items will come; the consumer still gets those that wait."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more items and drop those that wait."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._finished or self._items)
                if not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
