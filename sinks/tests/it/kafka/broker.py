"""The mock cluster of librdkafka, with one broker, and the client of librdkafka that reads it.

broker.py PORT: takes commands on this port, one line each, and answers each with one line of JSON.
"""

import asyncio
import ctypes
import glob
import json
import pathlib
import socketserver
import ssl
import sys
import threading

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

(library,) = glob.glob(str(pathlib.Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs/librdkafka*"))
rd = ctypes.CDLL(library)
pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
BROKER = number(1)


def function(name, gives, *takes):
    found = getattr(rd, f"rd_kafka_{name}")
    found.restype, found.argtypes = gives, takes
    return found


new = function("new", pointer, number, pointer, pointer, ctypes.c_size_t)
start = function("mock_cluster_new", pointer, pointer, number)
cluster = start(new(0, None, None, 0), 1)
bootstrap = function("mock_cluster_bootstraps", text, pointer)(cluster).decode()


def errors(api, *codes):
    """The next requests of this kind get these codes. 0 is none."""
    push = function("mock_push_request_errors_array", None, pointer, ctypes.c_int16, ctypes.c_size_t, pointer)
    push(cluster, int(api), len(codes), (number * len(codes))(*map(int, codes)))


def topic(name, code):
    """Every request for this topic gets this code."""
    function("mock_topic_set_error", None, pointer, text, number)(cluster, name.encode(), int(code))


def create(name, partitions):
    assert function("mock_topic_create", number, pointer, text, number, number)(cluster, name.encode(), int(partitions), 1) == 0


def down():
    assert function("mock_broker_set_down", number, pointer, ctypes.c_int32)(cluster, BROKER) == 0


def up():
    assert function("mock_broker_set_up", number, pointer, ctypes.c_int32)(cluster, BROKER) == 0


def advertise(host, port):
    """Clients are sent to this address."""
    function("mock_broker_set_host_port", None, pointer, ctypes.c_int32, text, number)(cluster, BROKER, host.encode(), int(port))


def tls(port, certificate):
    """Offers the broker on this port with TLS too, and sends clients there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = threading.Event()

    async def copy(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def relay(reader, writer):
        to_reader, to_writer = await asyncio.open_connection(*bootstrap.split(":"))
        await asyncio.gather(copy(reader, to_writer), copy(to_reader, writer))

    async def run():
        server = await asyncio.start_server(relay, "127.0.0.1", int(port), ssl=context)
        listening.set()
        await server.serve_forever()

    threading.Thread(target=asyncio.run, args=(run(),), daemon=True).start()
    listening.wait()
    advertise("localhost", port)


def partition(topic, key):
    """The partition that a client with the partitioner of Java selects."""
    chosen = []
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2"})
    producer.produce(topic, b"", key.encode(), on_delivery=lambda error, message: chosen.append((error, message.partition())))
    producer.flush()
    ((error, number),) = chosen
    assert error is None, error
    return number


def read(topic):
    """All records of a topic, in the order of their partitions."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    partitions = consumer.list_topics(topic).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    records, ended = [], set()
    while len(ended) < len(partitions):
        record = consumer.poll()
        if record.error():
            assert record.error().code() == KafkaError._PARTITION_EOF, record.error()
            ended.add(record.partition())
            continue
        records.append({
            "partition": record.partition(),
            "key": record.key().decode(),
            "value": record.value().decode(),
            "timestamp": record.timestamp()[1],
            "headers": {name: value.decode() for name, value in record.headers()},
        })
    consumer.close()
    return sorted(records, key=lambda record: record["partition"])


def where():
    return bootstrap


COMMANDS = {each.__name__: each for each in (errors, topic, create, down, up, advertise, tls, partition, read, where)}


class Control(socketserver.StreamRequestHandler):
    def handle(self):
        command, *args = self.rfile.readline().decode().split()
        self.wfile.write(json.dumps(COMMANDS[command](*args)).encode() + b"\n")


with socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Control) as server:
    print("ready", flush=True)
    server.serve_forever()
