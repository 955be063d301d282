"""Push through weir with a bearer token, from prometheus_client.

    pip install prometheus_client
    WEIR=http://weir:9091 WEIR_TOKEN=... python3 handler.py

weir speaks the Pushgateway's protocol, so only the address and the token are new. Without a token
`push_to_gateway` needs no handler at all.
"""

import os
import urllib.error
import urllib.request

from prometheus_client import CollectorRegistry, Gauge, push_to_gateway


def token_handler(token):
    """A handler for `push_to_gateway` and its kin that sends a bearer token, and says why a push
    was refused."""

    def handler(url, method, timeout, headers, data):
        def handle():
            request = urllib.request.Request(url, data=data, method=method)
            for name, value in headers:
                request.add_header(name, value)
            request.add_header("Authorization", f"Bearer {token}")
            try:
                urllib.request.urlopen(request, timeout=timeout).close()
            except urllib.error.HTTPError as error:
                # One reason a line.
                reasons = error.read().decode("utf-8", "replace").strip()
                raise OSError(f"push refused with {error.code}: {reasons}") from error

        return handle

    return handler


if __name__ == "__main__":
    registry = CollectorRegistry()
    last = Gauge("job_last_success_unixtime", "When the job last succeeded", registry=registry)
    last.set_to_current_time()
    push_to_gateway(
        os.environ.get("WEIR", "localhost:9091"),
        job="nightly",
        grouping_key={"instance": "db/1"},
        registry=registry,
        handler=token_handler(os.environ.get("WEIR_TOKEN", "")),
    )
