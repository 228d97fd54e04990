"""Makes queues of a broker and reads them, with pika. Prints one line of JSON for each message.

rabbitmq_peer.py PORT queue NAME ARGUMENTS | bind EXCHANGE KEY QUEUE | read QUEUE COUNT | count QUEUE
"""

import json
import sys

import pika

port, command, *args = sys.argv[1:]
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port)))
channel = connection.channel()

if command == "queue":
    channel.queue_declare(args[0], durable=True, arguments=json.loads(args[1]))
elif command == "bind":
    exchange, key, queue = args
    channel.exchange_declare(exchange, "topic", durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, exchange, key)
elif command == "count":
    print(channel.queue_declare(args[0], passive=True).method.message_count)
elif command == "read":
    for _ in range(int(args[1])):
        method, properties, body = channel.basic_get(args[0], auto_ack=True)
        assert method, f"{args[0]} has no more messages"
        names = ("message_id", "delivery_mode", "type", "content_type", "headers", "timestamp", "app_id")
        message = {name: getattr(properties, name) for name in names}
        print(json.dumps({**message, "routing_key": method.routing_key, "body": body.decode()}))

connection.close()
