"""What Prometheus is told about a service."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from cyclekit.serving.resident import Resident

TYPE = CONTENT_TYPE_LATEST
NOBODY = "unknown"  # in place of names that only a request knows
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Figures:
    """Counters of one service; names are those of its runs, so that no request can add one."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._answers = Counter(
            "cyclekit_requests", "Answers by run and HTTP status.", ("run", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "cyclekit_request_seconds", "Seconds from a request's head to its answer.", ("run",),
            registry=self._registry, buckets=BUCKETS,
        )  # fmt: skip
        self._bytes = Counter(
            "cyclekit_received_bytes", "Bytes of files that were sent.", ("run",),
            registry=self._registry,
        )  # fmt: skip
        self._killed = Counter(
            "cyclekit_workers_killed", "Workers that took too long, or too much, or crashed.",
            ("run", "why"), registry=self._registry,
        )  # fmt: skip

    def answered(self, run: str, status: int, seconds: float) -> None:
        """A request was."""
        self._answers.labels(run, str(status)).inc()
        self._seconds.labels(run).observe(seconds)

    def received(self, run: str, bytes: int) -> None:
        """A file came."""
        self._bytes.labels(run).inc(bytes)

    def killed_in(self, run: str) -> Callable[[str], None]:
        """Takes why a run's worker was killed."""
        return lambda why: self._killed.labels(run, why).inc()

    def watch(self, residents: "Mapping[str, Resident]") -> None:
        """Report how much waits for each run, and what its worker holds."""
        self._registry.register(_Residents(residents))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)


class _Residents(Collector):
    """Gauges that are read when they are asked for."""

    def __init__(self, residents: "Mapping[str, Resident]") -> None:
        self._residents = residents

    def collect(self) -> Iterable[Metric]:
        """See ``Collector``."""
        load = GaugeMetricFamily(
            "cyclekit_load", "Requests that wait or are being done.", labels=["run"]
        )
        memory = GaugeMetricFamily(
            "cyclekit_worker_memory_bytes", "Memory of a run's worker.", labels=["run"]
        )
        for name, resident in self._residents.items():
            load.add_metric([name], resident.load)
            memory.add_metric([name], resident.memory)
        return [load, memory]
