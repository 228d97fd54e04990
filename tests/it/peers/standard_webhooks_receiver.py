"""The Standard Webhooks library as a receiver: verifies the request of the sink, another body, and another secret."""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

headers, body, token = sys.argv[1:]
headers = json.loads(headers)


def verdict(text, secret):
    try:
        Webhook(f"whsec_{secret}").verify(text, headers)
    except WebhookVerificationError:
        return "refused"
    return "verified"


print(json.dumps([verdict(body, token), verdict(body + " ", token), verdict(body, token[::-1])]))
