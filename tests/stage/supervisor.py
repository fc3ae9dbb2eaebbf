"""Who starts an operator again when it has ended, as a kubelet does."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from tests.stage.operator import OperatorProcess

# More ends than this in one life are no restarts any more, they are a loop.
MOST = 20


@dataclass
class Supervisor:
    """While the block runs, `operator` is started again each time it ends by itself or is killed; `ends` are the times of that."""

    operator: OperatorProcess
    most: int = MOST
    ends: list[datetime] = field(default_factory=list)
    _over: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    @property
    def restarts(self) -> int:
        return len(self.ends)

    def __enter__(self) -> Self:
        self.operator.start()
        self._thread = threading.Thread(target=self._keep_up)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._lock:
            self._over = True
        if error is None:
            self.operator.started()
        code = self.operator.stop()
        assert self._thread is not None
        self._thread.join()
        if error is None:
            assert code == 0 and self.restarts <= self.most, f"ended with {code} after {self.restarts} restarts"

    def _keep_up(self) -> None:
        while self._again():
            pass

    def _again(self) -> bool:
        self.operator.ended(None)
        with self._lock:
            if self._over or self.restarts > self.most:
                return False
            self.ends.append(datetime.now(UTC))
            self.operator.begin()
            return True
