"""What Prometheus is told: requests, their seconds and bytes, photos that wait, routes."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from maskfold.service.desk import Desk

OTHER = "other"  # addresses that there are not, together: anybody may ask for any
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """The counters of one service.

    Args:
        desk: Whose queue is shown.
        name: The model's.
        identity: The model's.
    """

    def __init__(self, desk: Desk, *, name: str, identity: str) -> None:
        self.registry = CollectorRegistry()
        known = {"registry": self.registry, "namespace": "maskfold"}
        self._requests = Counter("requests", "Requests answered.", ["path", "status"], **known)
        self._seconds = Histogram("request_seconds", "From request to answer.", ["path"], buckets=_SECONDS, **known)
        self._received = Counter("received_bytes", "Bytes of requests' bodies.", **known)
        self._sent = Counter("sent_bytes", "Bytes of answers' bodies.", **known)
        self._routes = Counter("routes", "Photos by where they go.", ["route"], **known)
        self._inbox = Counter(
            "inbox", "Photos for review: kept, or dropped as the inbox is full.", ["outcome"], **known
        )
        Gauge("waiting", "Photos that wait or are worked on.", **known).set_function(lambda: desk.waiting)
        Gauge("queue", "Photos that may wait.", **known).set(desk.limits.queue)
        Gauge("model_seconds", "Seconds that a photo has taken the model of late.", **known).set_function(
            lambda: desk.batcher.seconds
        )
        Gauge("model_info", "The model.", ["name", "identity"], **known).labels(name, identity).set(1)
        ProcessCollector(registry=self.registry)

    def count_request(self, path: str, status: int, *, seconds: float, received: int, sent: int) -> None:
        """Count an answered request; `path` is a known one or `OTHER`."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        self._received.inc(received)
        self._sent.inc(sent)

    def count_route(self, route: str) -> None:
        """Count a photo that goes somewhere."""
        self._routes.labels(route).inc()

    def count_inbox(self, outcome: str) -> None:
        """Count a photo that was `kept`, `dropped` or has `failed` to be kept."""
        self._inbox.labels(outcome).inc()

    def text(self) -> bytes:
        """Return all in Prometheus' text format."""
        return generate_latest(self.registry)
