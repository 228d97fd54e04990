"""The other side of the tests of SQS, SNS and S3: makes queues, a topic, a bucket and users in moto, and reads what arrived.

Arguments: the port of moto, the id of an access key and the key, then `make`, `queue NAME` or `bucket NAME`. Each line of output
is JSON.
"""

import json
import sys
import urllib.request

import boto3

URL = f"http://127.0.0.1:{sys.argv[1]}"
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def client(service):
    return boto3.client(
        service,
        region_name="eu-central-1",
        endpoint_url=URL,
        aws_access_key_id=sys.argv[2],
        aws_secret_access_key=sys.argv[3],
    )


def control(path, body):
    request = urllib.request.Request(f"{URL}/moto-api/{path}", body, {"content-type": "text/plain"})
    urllib.request.urlopen(request).read()


def user(name, policy):
    iam = client("iam")
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]


def make():
    # The same keys after each start.
    control("seed?a=1", b"")
    sqs, sns = client("sqs"), client("sns")
    fifo = ".fifo", {"FifoQueue": "true"}, {"FifoTopic": "true"}
    for end, of_queue, of_topic in [("", {}, {}), fifo]:
        sqs.create_queue(QueueName=f"alerts{end}", Attributes=of_queue)
        queue = sqs.create_queue(QueueName=f"subscriber{end}", Attributes=of_queue)
        topic = sns.create_topic(Name=f"alerts{end}", Attributes=of_topic)
        queue = sqs.get_queue_attributes(QueueUrl=queue["QueueUrl"], AttributeNames=["QueueArn"])
        arn = queue["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=arn)
    where = {"LocationConstraint": "eu-central-1"}
    client("s3").create_bucket(Bucket="alerts", CreateBucketConfiguration=where)
    users = {"all": user("all", ALL), "nobody": user("nobody", None)}
    # From now on, moto checks every signature and permission.
    control("reset-auth", b"0")
    print(json.dumps(users))


def queue(name):
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    asked = {"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}
    asked |= {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
    while got := sqs.receive_message(**asked).get("Messages"):
        for message in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            print(json.dumps(message))


def bucket(name):
    s3 = client("s3")
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        got = s3.get_object(Bucket=name, Key=found["Key"])
        body = got["Body"].read().decode()
        print(json.dumps({"key": found["Key"], "type": got["ContentType"], "body": body}))


commands = {"make": make, "queue": queue, "bucket": bucket}
commands[sys.argv[4]](*sys.argv[5:])
