"""PagerDuty's own client, with only the host changed: trigger, trigger without a key, acknowledge, resolve."""

import json
import sys

from pagerduty import EventsApiV2Client

base, routing_key = sys.argv[1:]
client = EventsApiV2Client(routing_key)
# The client requires TLS, which a proxy in front of the gateway would provide.
client._url = base
payload = {"summary": "disk 91 % on db7", "source": "db7", "severity": "critical"}
own = client.send_event("trigger", dedup_key="db7/disk", payload=payload)
made = client.send_event("trigger", payload=payload)
# A second attempt with the same event: sent twice, stored once.
assert client.send_event("trigger", payload=payload) == made
assert client.acknowledge("db7/disk") == "db7/disk"
assert client.resolve("db7/disk") == "db7/disk"
print(json.dumps([own, made]))
