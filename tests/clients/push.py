"""Push with the official Python client, as its steps say.

Its argument is the address of a Pushgateway. Standard input: steps, a line of JSON each, as in
tests/data/push/clients.jsonl. Standard output, for each: {"ok": bool, "error": string}.
"""

import json
import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary
from prometheus_client import delete_from_gateway, push_to_gateway, pushadd_to_gateway


def registry_of(name):
    """The same metrics as tests/servers/promclient has under the same names."""
    registry = CollectorRegistry()
    if name == "all":
        records = Counter(
            "records_total", "Records, \\ and all.\nMore.", ["stage", "odd"], registry=registry
        )
        records.labels("read", 'a"b\\c\nd').inc(3)
        records.labels("wrïte", "").inc(0.1)
        Gauge("last_success", "When.", registry=registry).set(1.7e9)
        took = Histogram("took_seconds", "How long.", buckets=[0.5, 1, 2.5], registry=registry)
        for seconds in [0.1, 0.7, 9]:
            took.observe(seconds)
        Summary("size_bytes", "How much.", registry=registry).observe(4)
    elif name == "native":
        # The other clients have native buckets beside these.
        took = Histogram("native_seconds", "How long.", buckets=[0.5, 1, 2.5], registry=registry)
        took.observe(0.7)
    elif name == "one":
        Gauge("last_success", "When.", registry=registry).set(5)
    elif name == "other":
        Gauge("other", "Another one.", registry=registry).set(-0.5)
    elif name == "clash":
        Histogram("last_success", "No.", registry=registry)
    elif name == "instance":
        Gauge("of_instance", "One.", ["instance"], registry=registry).labels("own").set(1)
    elif name != "none":
        raise ValueError(f"no metrics are called {name!r}")
    return registry


def do(address, step):
    grouping = dict(step["grouping"])
    if step["do"] == "delete":
        delete_from_gateway(address, step["job"], grouping)
        return
    push = {"push": push_to_gateway, "add": pushadd_to_gateway}[step["do"]]
    more = {"compression": "gzip"} if step.get("gzip") else {}
    push(address, step["job"], registry_of(step["metrics"]), grouping, **more)


for line in sys.stdin:
    answer = {"ok": True, "error": ""}
    try:
        do(sys.argv[1], json.loads(line))
    except (OSError, ValueError) as error:
        answer = {"ok": False, "error": str(error)}
    print(json.dumps(answer), flush=True)
