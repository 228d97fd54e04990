"""The Standard Webhooks library as a sender: signed, sent again, changed after signing, signed with another secret."""

import datetime
import json
import sys

import requests
from standardwebhooks import Webhook

base, token = sys.argv[1:]
now = datetime.datetime.now(datetime.timezone.utc)
body = json.dumps({"type": "disk.firing", "data": {"id": "disk", "title": "磁盘 91 %", "status": "firing"}})


def post(name, text, secret=token):
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(f"whsec_{secret}").sign(name, now, body),
    }
    url = f"{base}/callback/standard-webhooks/prod"
    return requests.post(url, data=text.encode(), headers=headers, timeout=10).status_code


changed = body.replace("firing", "resolved")
print(json.dumps([post("msg_1", body), post("msg_1", body), post("msg_2", changed), post("msg_3", body, token[::-1])]))
