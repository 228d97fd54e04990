"""The CloudEvents library: an event in binary mode with its new interface, the recovery in structured mode with its old one."""

import json
import sys

import requests
from cloudevents.core.bindings.http import to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as New
from cloudevents.v1.conversion import to_structured
from cloudevents.v1.http import CloudEvent as Old

base, token = sys.argv[1:]
data = {"title": "磁盘 91 %", "severity": "critical", "name": "disk"}


def attributes(kind, **more):
    return {"type": f"net.example.disk.{kind}", "source": "/mon/eu1", "subject": 'db7 "一"', **more}


def post(headers, body):
    headers = {**headers, "authorization": f"Bearer {token}"}
    answer = requests.post(f"{base}/callback/cloudevents/prod", data=body, headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text


described = attributes("firing", id="1", specversion="1.0", datacontenttype="application/json")
message = to_binary(New(described, data), JSONFormat())
post(message.headers, message.body)
post(*to_structured(Old(attributes("resolved"), data)))
print(json.dumps("sent"))
