"""SNS through its clients: every served operation, and AWS's own texts for what is refused."""

import json
import re
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION

# AWS's texts about filter policies that quote the policy they are about. AWS breaks the line before " at".
POLICY_TEXTS = [
    r'FilterPolicy: "key_a" must be an object or an array at [Source: (String)"{"key_a":"value_one"}"; line: 1, column: 11]',
    r'FilterPolicy: "not-an-operator" must be an object or an array at [Source: (String)"{"key":{"not-an-operator":"value"}}"; line: 1, column: 28]',
    r'FilterPolicy: "suffix" must be an object or an array at [Source: (String)"{"key":{"suffix":"value","prefix":"value"}}"; line: 1, column: 19]',
    r'FilterPolicy: "suffix" must be an object or an array at [Source: (String)"{"key":{"suffix":"value"}}"; line: 1, column: 19]',
    r'FilterPolicy: Bad numeric range operator: > at [Source: (String)"{"key":[{"numeric":[">=",1,">",2]}]}"; line: 1, column: 31]',
    r'FilterPolicy: Bad numeric range operator: test at [Source: (String)"{"key":[{"numeric":[">",20,"test"]}]}"; line: 1, column: 34]',
    r'FilterPolicy: Bad value in numeric range: 30 at [Source: (String)"{"key":[{"numeric":[">",20,30]}]}"; line: 1, column: 30]',
    r'FilterPolicy: Bottom must be less than top at [Source: (String)"{"key":[{"numeric":[">",3,"<",1]}]}"; line: 1, column: 33]',
    r'FilterPolicy: Empty arrays are not allowed at [Source: (String)"{"key":[]}"; line: 1, column: 10]',
    r'FilterPolicy: Invalid member in numeric match: 1 at [Source: (String)"{"key":[{"numeric":[1,"<="]}]}"; line: 1, column: 22]',
    r'FilterPolicy: Invalid member in numeric match: ] at [Source: (String)"{"key":[{"numeric":[]}]}"; line: 1, column: 22]',
    r'FilterPolicy: Match value must be String, number, true, false, or null at [Source: (String)"{"key":[["value"]]}"; line: 1, column: 10]',
    r'FilterPolicy: Only one key allowed in match expression at [Source: (String)"{"key":[{"suffix":"value","prefix":"value2"}]}"; line: 1, column: 37]',
    r'FilterPolicy: Too many elements in numeric expression at [Source: (String)"{"key":[{"numeric":["<",100,">",10]}]}"; line: 1, column: 30]',
    r'FilterPolicy: Too many terms in numeric range expression at [Source: (String)"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"; line: 1, column: 36]',
    r'FilterPolicy: Unrecognized match type wrong-operator at [Source: (String)"{"key":[{"wrong-operator":true}]}"; line: 1, column: 31]',
    r'FilterPolicy: Unrecognized numeric range operator: operator at [Source: (String)"{"key":[{"numeric":["operator"]}]}"; line: 1, column: 32]',
    r'FilterPolicy: Unsupported anything-but pattern: exists at [Source: (String)"{"key":[{"anything-but":{"exists":false}}]}"; line: 1, column: 40]',
    r'FilterPolicy: Unsupported anything-but pattern: suffix at [Source: (String)"{"key":[{"anything-but":{"suffix":"test"}}]}"; line: 1, column: 36]',
    r'FilterPolicy: Unsupported anything-but pattern: wrong-operator at [Source: (String)"{"key":[{"anything-but":{"wrong-operator":null}}]}"; line: 1, column: 47]',
    r'FilterPolicy: Value of < must be numeric at [Source: (String)"{"key":[{"numeric":[">",20,"<","30"]}]}"; line: 1, column: 33]',
    r'FilterPolicy: Value of <= must be numeric at [Source: (String)"{"key":[{"numeric":[">",20,"<="]}]}"; line: 1, column: 33]',
    r'FilterPolicy: Value of > must be numeric at [Source: (String)"{"key":[{"numeric":[">","20","<","30"]}]}"; line: 1, column: 26]',
    r'FilterPolicy: Value of >= must be numeric at [Source: (String)"{"key":[{"numeric":[">="]}]}"; line: 1, column: 26]',
    r'FilterPolicy: Value of equals must be numeric at [Source: (String)"{"key":[{"numeric":["=","000"]}]}"; line: 1, column: 26]',
    r'FilterPolicy: exists match pattern must be either true or false. at [Source: (String)"{"key":[{"exists":"no"}]}"; line: 1, column: 20]',
    r'FilterPolicy: exists match pattern must be either true or false. at [Source: (String)"{"key":[{"exists":null}]}"; line: 1, column: 23]',
    r'FilterPolicy: prefix match pattern must be a string at [Source: (String)"{"key":[{"anything-but":{"prefix":false}}]}"; line: 1, column: 40]',
    r'FilterPolicy: prefix match pattern must be a string at [Source: (String)"{"key":[{"cidr":["bad-filter"]}]}"; line: 1, column: 18]',
    r'FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":100}]}"; line: 1, column: 22]',
    r'FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":["test","test2"]}]}"; line: 1, column: 20]',
    r'FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":[]}]}"; line: 1, column: 20]',
    r'FilterPolicy: suffix match pattern must be a string at [Source: (String)"{"key":[{"suffix":null}]}"; line: 1, column: 23]',
]


def code_and_text(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response
    return error["Error"]["Code"], error["Error"]["Message"], error["ResponseMetadata"]["HTTPStatusCode"]


def refuses(call, text, code="InvalidParameter", status=400, **arguments):
    got, said, was = code_and_text(call, **arguments)
    assert (got, said.replace("\n at [", " at ["), was) == (code, text, status)


@pytest.fixture
def arn(server, name):
    return server.sns.create_topic(Name=name("topic"))["TopicArn"]


@pytest.fixture
def subscription(server, arn):
    """A subscription that needs no handshake: its receiver is not there and never asked."""
    return server.sns.subscribe(
        TopicArn=arn,
        Protocol="http",
        Endpoint="http://127.0.0.1:9/",
        Attributes={"WebhookFormat": "json", "FilterPolicy": '{"never":["sent"]}'},
    )["SubscriptionArn"]


@pytest.fixture(scope="session")
def loose(server):
    """A client that sends what boto3 would refuse to send."""
    return server.client("sns", parameter_validation=False)


# Topics


def test_a_topic_is_made_once_and_deleted_as_often_as_one_likes(server, name):
    topic = name("once")
    tags = [{"Key": "team", "Value": "ops"}]
    first = server.sns.create_topic(Name=topic, Attributes={"DisplayName": "Ops"}, Tags=tags)["TopicArn"]
    assert first == f"arn:aws:sns:{REGION}:{ACCOUNT}:{topic}"
    assert server.sns.create_topic(Name=topic)["TopicArn"] == first
    same = server.sns.create_topic(Name=topic, Attributes={"DisplayName": "Ops"}, Tags=tags)
    assert same["TopicArn"] == first
    refuses(
        server.sns.create_topic,
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
        Name=topic,
        Attributes={"DisplayName": "Other"},
    )
    refuses(
        server.sns.create_topic,
        "Invalid parameter: Tags Reason: Topic already exists with different tags",
        Name=topic,
        Tags=[{"Key": "team", "Value": "dev"}],
    )
    other = server.client("sns", region="eu-west-1").create_topic(Name=topic)["TopicArn"]
    assert other.startswith("arn:aws:sns:eu-west-1:"), "regions are apart"
    server.sns.delete_topic(TopicArn=first)
    server.sns.delete_topic(TopicArn=first)
    refuses(server.sns.get_topic_attributes, "Topic does not exist", "NotFound", 404, TopicArn=first)
    again = server.sns.create_topic(Name=topic)["TopicArn"]
    assert "DisplayName" not in server.sns.get_topic_attributes(TopicArn=again)["Attributes"] or (
        server.sns.get_topic_attributes(TopicArn=again)["Attributes"]["DisplayName"] == ""
    )


def test_topics_are_listed_a_hundred_at_a_time(fresh):
    for i in range(103):
        fresh.sns.create_topic(Name=f"t{i:03}")
    page = fresh.sns.list_topics()
    assert len(page["Topics"]) == 100
    rest = fresh.sns.list_topics(NextToken=page["NextToken"])
    assert "NextToken" not in rest
    names = [t["TopicArn"].rsplit(":", 1)[1] for t in page["Topics"] + rest["Topics"]]
    assert names == [f"t{i:03}" for i in range(103)]
    refuses(fresh.sns.list_topics, "Invalid parameter: NextToken", NextToken="x")
    assert fresh.client("sns", key="111111111111").list_topics()["Topics"] == [], "accounts are apart"


@pytest.mark.parametrize("bad", ["", "a b", "ä", "x" * 257, "a/../b"])
def test_bad_topic_names(loose, bad):
    refuses(loose.create_topic, "Invalid parameter: Topic Name", Name=bad)


def test_topic_attributes(server, arn):
    sns = server.sns
    shown = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert shown["TopicArn"] == arn and shown["Owner"] == ACCOUNT
    assert [shown[f"Subscriptions{n}"] for n in ("Confirmed", "Pending", "Deleted")] == ["0", "0", "0"]
    assert json.loads(shown["Policy"])["Id"] == "__default_policy_ID"
    assert json.loads(shown["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="My topic")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "My topic"
    for attribute in ("Nonsense", "Owner"):
        refuses(
            sns.set_topic_attributes,
            "Invalid parameter: AttributeName",
            TopicArn=arn,
            AttributeName=attribute,
            AttributeValue="x",
        )
    code, text, _ = code_and_text(
        sns.set_topic_attributes, TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue="alias/x"
    )
    assert code == "InvalidParameter" and "KmsMasterKeyId" in text and "not supported by Logboom" in text


def test_topic_arns_that_are_none(server, loose):
    text = "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not %d"
    refuses(server.sns.get_topic_attributes, text % 1, TopicArn="topic")
    refuses(server.sns.get_topic_attributes, text % 2, TopicArn="arn:topic")
    refuses(server.sns.publish, text % 5, TopicArn="arn:aws:sns:us-east-1:1", Message="m")
    refuses(server.sns.delete_topic, text % 1, TopicArn="topic")
    refuses(server.sns.subscribe, text % 1, TopicArn="topic", Protocol="email", Endpoint="a@example.org")
    for wrong in (f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", f"arn:aws:sns:eu-west-1:{ACCOUNT}:elsewhere"):
        refuses(server.sns.get_topic_attributes, "Invalid parameter: TopicArn", TopicArn=wrong)
    absent = f"arn:aws:sns:{REGION}:{ACCOUNT}:absent"
    for call, more in [
        (server.sns.get_topic_attributes, {}),
        (server.sns.list_subscriptions_by_topic, {}),
        (server.sns.set_topic_attributes, {"AttributeName": "DisplayName", "AttributeValue": "x"}),
        (server.sns.subscribe, {"Protocol": "email", "Endpoint": "a@example.org"}),
        (server.sns.publish, {"Message": "m"}),
        (server.sns.publish_batch, {"PublishBatchRequestEntries": [{"Id": "1", "Message": "m"}]}),
    ]:
        refuses(call, "Topic does not exist", "NotFound", 404, TopicArn=absent, **more)
    foreign = f"arn:aws:sns:{REGION}:111111111111:theirs"
    assert code_and_text(server.sns.publish, TopicArn=foreign, Message="m")[::2] == ("AuthorizationError", 403)


def test_tags(server, arn):
    sns = server.sns
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [
        {"Key": "a", "Value": "2"},
        {"Key": "b", "Value": ""},
    ]
    sns.untag_resource(ResourceArn=arn, TagKeys=["a", "zzz"])
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": ""}]
    twice = [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]
    refuses(sns.tag_resource, "Invalid parameter: Duplicated keys are not allowed.", ResourceArn=arn, Tags=twice)
    many = [{"Key": str(i), "Value": ""} for i in range(50)]
    assert code_and_text(sns.tag_resource, ResourceArn=arn, Tags=many)[0] == "TagLimitExceeded"
    refuses(
        sns.list_tags_for_resource, "Resource does not exist", "ResourceNotFound", 404, ResourceArn=arn + "-absent"
    )


def test_the_command_line(server, name):
    topic = name("cli")
    arn = server.aws("sns", "create-topic", "--name", topic, "--tags", "Key=a,Value=b")["TopicArn"]
    assert {"TopicArn": arn} in server.aws("sns", "list-topics")["Topics"]
    made = server.aws(
        "sns", "subscribe", "--topic-arn", arn, "--protocol", "http", "--notification-endpoint",
        "http://127.0.0.1:9/x", "--attributes", '{"WebhookFormat":"json","FilterPolicy":"{\\"never\\":[\\"x\\"]}"}',
    )["SubscriptionArn"]  # fmt: skip
    shown = server.aws("sns", "get-subscription-attributes", "--subscription-arn", made)["Attributes"]
    assert shown["WebhookFormat"] == "json" and shown["FilterPolicyScope"] == "MessageAttributes"
    assert server.aws("sns", "publish", "--topic-arn", arn, "--subject", "S", "--message", "m")["MessageId"]
    listed = server.aws("sns", "list-subscriptions-by-topic", "--topic-arn", arn)["Subscriptions"]
    assert [s["SubscriptionArn"] for s in listed] == [made]
    server.aws("sns", "unsubscribe", "--subscription-arn", made)
    server.aws("sns", "set-topic-attributes", "--topic-arn", arn, "--attribute-name", "DisplayName",
               "--attribute-value", "D")  # fmt: skip
    shown = server.aws("sns", "get-topic-attributes", "--topic-arn", arn)["Attributes"]
    assert (shown["DisplayName"], shown["SubscriptionsDeleted"]) == ("D", "1")
    assert server.aws("sns", "list-tags-for-resource", "--resource-arn", arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    server.aws("sns", "delete-topic", "--topic-arn", arn)
    failed = server.aws("sns", "publish", "--topic-arn", arn, "--message", "m", check=False)
    assert "(NotFound)" in failed.stderr and "Topic does not exist" in failed.stderr


def test_topics_and_subscriptions_survive_a_kill(fresh, name):
    arn = fresh.sns.create_topic(Name="kept", Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    made = fresh.sns.subscribe(
        TopicArn=arn, Protocol="http", Endpoint="http://127.0.0.1:9/", Attributes={"WebhookFormat": "json"}
    )["SubscriptionArn"]
    before = fresh.sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"]
    fresh.kill()
    fresh.start()
    sns = fresh.client("sns")
    assert sns.get_subscription_attributes(SubscriptionArn=made)["Attributes"] == before
    assert sns.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "v"}]


# Subscriptions


def test_subscribing_again_is_the_same_subscription(server, arn, webhook):
    sns = server.sns
    wanted = {"TopicArn": arn, "Protocol": "http", "Endpoint": webhook.url}
    assert sns.subscribe(**wanted)["SubscriptionArn"] == "pending confirmation"
    shown = sns.subscribe(**wanted, ReturnSubscriptionArn=True)["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=shown)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]) == ("true", "false")
    assert len(sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]) == 1
    first, second = (json.loads(webhook.next()["body"]) for _ in range(2))
    tokens = {first["Token"], second["Token"]}
    confirmed = []
    for token in tokens:
        try:
            confirmed.append(sns.confirm_subscription(TopicArn=arn, Token=token)["SubscriptionArn"])
        except sns.exceptions.InvalidParameterException as refused:
            assert "Invalid parameter: Token" in str(refused)
    assert confirmed == [shown], "the newest token counts"
    assert sns.subscribe(**wanted)["SubscriptionArn"] == shown
    attributes = sns.get_subscription_attributes(SubscriptionArn=shown)["Attributes"]
    assert (attributes["PendingConfirmation"], attributes["ConfirmationWasAuthenticated"]) == ("false", "true")
    refuses(
        sns.subscribe,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes",
        **wanted,
        Attributes={"RawMessageDelivery": "true"},
    )
    counted = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert (counted["SubscriptionsConfirmed"], counted["SubscriptionsPending"]) == ("1", "0")


def test_subscriptions_are_listed_a_hundred_at_a_time(fresh):
    arn = fresh.sns.create_topic(Name="many")["TopicArn"]
    made = [
        fresh.sns.subscribe(
            TopicArn=arn, Protocol="http", Endpoint=f"http://127.0.0.1:9/{i}", Attributes={"WebhookFormat": "json"}
        )["SubscriptionArn"]
        for i in range(101)
    ]
    for call in (fresh.sns.list_subscriptions, lambda **a: fresh.sns.list_subscriptions_by_topic(TopicArn=arn, **a)):
        page = call()
        rest = call(NextToken=page["NextToken"])
        assert [s["SubscriptionArn"] for s in page["Subscriptions"] + rest["Subscriptions"]] == made
        assert len(rest["Subscriptions"]) == 1 and "NextToken" not in rest
    fresh.sns.delete_topic(TopicArn=arn)
    assert fresh.sns.list_subscriptions()["Subscriptions"] == [], "subscriptions go with their topic"


@pytest.mark.parametrize("text", POLICY_TEXTS)
def test_filter_policies_are_refused_in_awss_words(server, arn, subscription, text):
    policy = re.search(r'\[Source: \(String\)"(.*)"; line: 1', text).group(1)
    refuses(
        server.sns.subscribe,
        f"Invalid parameter: Attributes Reason: {text}",
        TopicArn=arn,
        Protocol="email",
        Endpoint="a@example.org",
        Attributes={"FilterPolicy": policy},
    )
    refuses(
        server.sns.set_subscription_attributes,
        f"Invalid parameter: {text}",
        SubscriptionArn=subscription,
        AttributeName="FilterPolicy",
        AttributeValue=policy,
    )


JACKSON = "(`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
SIX = json.dumps({k: ["x"] for k in "abcdef"})
COMPLEX = json.dumps({k: [str(i) for i in range(40)] for k in "abc"})


@pytest.mark.parametrize(
    "attributes, text",
    [
        ({"FilterPolicy": "invalid"}, "FilterPolicy: failed to parse JSON. Unrecognized token 'invalid': was expecting "
         "(JSON String, Number, Array, Object or token 'null', 'true' or 'false') at "
         f"[Source: REDACTED {JACKSON}; line: 1, column: 8]"),
        ({"FilterPolicy": '{"key":[{"cidr":"10.0.0.0"}]}'}, "FilterPolicy: Malformed CIDR, one '/' required"),
        ({"FilterPolicy": '{"key":[{"cidr":"10.0.0.0/xx"}]}'},
         "FilterPolicy: Malformed CIDR, mask bits must be an integer"),
        ({"FilterPolicy": '{"key":[{"cidr":"bad-filter/24"}]}'},
         "FilterPolicy: Nonstandard IP address: bad-filter"),
        ({"FilterPolicy": '{"key":[{"cidr":"xx.11.xx/8"}]}'}, "FilterPolicy: Nonstandard IP address: xx.11.xx"),
        ({"FilterPolicy": '{"key":[{"cidr":"xxxx:db8:1234:1a00::/64"}]}'},
         "FilterPolicy: Nonstandard IP address: xxxx:db8:1234:1a00::"),
        ({"FilterPolicy": SIX}, "FilterPolicy: Filter policy can not have more than 5 keys"),
        ({"FilterPolicy": COMPLEX}, "FilterPolicy: Filter policy is too complex"),
        ({"RawMessageDelivery": "wrongvalue"},
         "RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false."),
    ],
)  # fmt: skip
def test_attributes_of_a_new_subscription_are_refused_in_awss_words(server, arn, attributes, text):
    refuses(
        server.sns.subscribe,
        f"Invalid parameter: Attributes Reason: {text}",
        TopicArn=arn,
        Protocol="http",
        Endpoint="http://127.0.0.1:9/",
        Attributes=attributes,
    )


BAD_JSON = (
    "failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name at "
    f"[Source: REDACTED {JACKSON}; line: 1, column: 2]"
)


@pytest.mark.parametrize(
    "attribute, value, text",
    [
        ("FilterPolicy", "{invalidjson}", f"FilterPolicy: {BAD_JSON}"),
        ("FilterPolicy", SIX, "FilterPolicy: Filter policy can not have more than 5 keys"),
        ("FilterPolicy", COMPLEX, "FilterPolicy: Filter policy is too complex"),
        ("FilterPolicy", '{"key":{"nested":["x"]}}',
         "Filter policy scope MessageAttributes does not support nested filter policy"),
        ("FilterPolicyScope", "RandomValue",
         "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes"),
        ("RedrivePolicy", "{invalidjson}", f"RedrivePolicy: {BAD_JSON}"),
        ("RedrivePolicy", '{"deadLetterTargetArn":"queue"}', "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
        ("RawMessageDelivery", "", "RawMessageDelivery: Invalid value []. Must be true or false."),
        ("RawMessageDelivery", "test-ValUe", "RawMessageDelivery: Invalid value [test-ValUe]. Must be true or false."),
        ("Nonsense", "x", "AttributeName"),
    ],
)  # fmt: skip
def test_attributes_of_a_subscription_are_refused_in_awss_words(server, subscription, attribute, value, text):
    refuses(
        server.sns.set_subscription_attributes,
        f"Invalid parameter: {text}",
        SubscriptionArn=subscription,
        AttributeName=attribute,
        AttributeValue=value,
    )


def test_subscription_attributes(server, subscription):
    sns = server.sns
    change = lambda name, value: sns.set_subscription_attributes(  # noqa: E731
        SubscriptionArn=subscription, AttributeName=name, AttributeValue=value
    )
    show = lambda: sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]  # noqa: E731
    change("FilterPolicyScope", "MessageBody")
    change("FilterPolicy", '{"a":{"b":["c"]}}')
    shown = show()
    assert (shown["FilterPolicyScope"], shown["FilterPolicy"]) == ("MessageBody", '{"a":{"b":["c"]}}')
    assert (shown["Protocol"], shown["Endpoint"]) == ("http", "http://127.0.0.1:9/")
    assert json.loads(shown["EffectiveDeliveryPolicy"])["healthyRetryPolicy"]["minDelayTarget"] == 20
    change("FilterPolicy", "")
    assert "FilterPolicy" not in show()
    sns.unsubscribe(SubscriptionArn=subscription)
    sns.unsubscribe(SubscriptionArn=subscription)
    refuses(
        sns.get_subscription_attributes, "Subscription does not exist", "NotFound", 404, SubscriptionArn=subscription
    )


def test_subscription_arns_that_are_none(server, loose, arn):
    text = "Invalid parameter: SubscriptionArn Reason: %s"
    for call in (loose.get_subscription_attributes, loose.unsubscribe):
        refuses(call, text % "An ARN must have at least 6 elements, not 1", SubscriptionArn="subscription")
        refuses(call, text % "An ARN must have at least 6 elements, not 5", SubscriptionArn="arn:aws:sns:us-east-1:1")
        refuses(call, text % "no value for required parameter", SubscriptionArn="")
        refuses(call, "Invalid parameter: SubscriptionId", SubscriptionArn=arn + ":none")
    absent = f"{arn}:{uuid.uuid4()}"
    refuses(
        server.sns.set_subscription_attributes, "Subscription does not exist", "NotFound", 404,
        SubscriptionArn=absent, AttributeName="RawMessageDelivery", AttributeValue="true",
    )  # fmt: skip


def test_tokens_that_are_none(server, arn):
    confirm = server.sns.confirm_subscription
    refuses(confirm, "Invalid token", TopicArn=arn, Token="randomtoken")
    refuses(confirm, "Invalid parameter: Token", TopicArn=arn, Token="5" * 64)
    refuses(confirm, "Invalid parameter: Topic", TopicArn="topic", Token="5" * 64)
    status, _, body = server.http("GET", f"/?Action=ConfirmSubscription&TopicArn={arn}&Token={'5' * 64}")
    assert status == 400 and b"<Message>Invalid parameter: Token</Message>" in body
    status, _, body = server.http("GET", "/?Action=ConfirmSubscription&Token=x")
    assert status == 400 and b"<Code>" in body


@pytest.mark.parametrize(
    "protocol, endpoint, text",
    [
        ("test-protocol", "x", "Invalid parameter: Amazon SNS does not support this protocol string: test-protocol"),
        ("sms", "+15551234567", "sms"),
        ("sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:q", "sqs"),
        ("firehose", f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/x", "firehose"),
        ("application", "x", "application"),
    ],
)
def test_protocols_that_are_not_served_are_named(server, arn, protocol, endpoint, text):
    code, said, status = code_and_text(server.sns.subscribe, TopicArn=arn, Protocol=protocol, Endpoint=endpoint)
    assert (code, status) == ("InvalidParameter", 400)
    assert said == text if text.startswith("Invalid") else (text in said and "not supported by Logboom" in said)


@pytest.mark.parametrize("protocol, endpoint", [("http", "https://x.org"), ("https", "x"), ("email", "nobody")])
def test_endpoints_that_do_not_fit_their_protocol(server, arn, protocol, endpoint):
    assert code_and_text(server.sns.subscribe, TopicArn=arn, Protocol=protocol, Endpoint=endpoint)[::2] == (
        "InvalidParameter",
        400,
    )


# Publish


def string(text="v"):
    return {"DataType": "String", "StringValue": text}


@pytest.mark.parametrize(
    "wrong, text",
    [
        ({"Message": ""}, "Empty message"),
        ({"Message": "x" * (256 * 1024 + 1)}, "Message too long"),
        ({"Message": "m", "Subject": ""}, "Subject"),
        ({"Message": "m", "Subject": "x" * 101}, "Subject"),
        ({"Message": "m", "Subject": "a\nb"}, "Subject"),
        ({"Message": "{", "MessageStructure": "json"}, "Message Structure - JSON message body failed to parse"),
        ({"Message": "{}", "MessageStructure": "json"}, "Message Structure - No default entry in JSON message body"),
        ({"Message": "m", "MessageDeduplicationId": "d"}, "MessageDeduplicationId Reason: The request includes "
         "MessageDeduplicationId parameter that is not valid for this topic type"),
    ],
)  # fmt: skip
def test_messages_are_refused_in_awss_words(loose, arn, wrong, text):
    refuses(loose.publish, f"Invalid parameter: {text}", TopicArn=arn, **wrong)


@pytest.mark.parametrize(
    "attribute, value, text",
    [
        ("a.", string(), "Invalid message attribute name ending with character '.' was found."),
        (".a", string(), "Invalid message attribute name starting with character '.' was found."),
        ("a^b", string(), "Invalid non-alphanumeric character '#x5E' was found in the message attribute name. Can only "
         "include alphanumeric characters, hyphens, underscores, or dots."),
        ("a..b", string(), "Message attribute name can not have successive '.' character."),
        ("a" * 257, string(), "Length of message attribute name must be less than 256 bytes."),
        ("attr1", {"DataType": "Text", "StringValue": "x"}, "The message attribute 'attr1' has an invalid message "
         "attribute type, the set of supported type prefixes is Binary, Number, and String."),
        ("attr1", {"DataType": "Binary", "BinaryValue": b""}, "The message attribute 'attr1' must contain non-empty "
         "message attribute value for message attribute type 'Binary'."),
        ("attr1", string(""), "The message attribute 'attr1' must contain non-empty message attribute value for "
         "message attribute type 'String'."),
        ("attr1", {"DataType": "Binary", "StringValue": "x"},
         "The message attribute 'attr1' with type 'Binary' must use field 'Binary'."),
        ("attr1", {"DataType": "Number", "BinaryValue": b"x"},
         "The message attribute 'attr1' with type 'Number' must use field 'String'."),
        ("attr1", {"DataType": "String", "BinaryValue": b"x"},
         "The message attribute 'attr1' with type 'String' must use field 'String'."),
    ],
)  # fmt: skip
def test_message_attributes_are_refused_in_awss_words(server, arn, attribute, value, text):
    attributes = {attribute: value}
    refuses(
        server.sns.publish, text, "ParameterValueInvalid", TopicArn=arn, Message="m", MessageAttributes=attributes
    )
    batch = [{"Id": "1", "Message": "m", "MessageAttributes": attributes}, {"Id": "2", "Message": "m"}]
    sent = server.sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=batch)
    assert [e["Id"] for e in sent["Successful"]] == ["2"]
    assert sent["Failed"] == [{"Id": "1", "Code": "ParameterValueInvalid", "Message": text, "SenderFault": True}]


def test_an_attribute_without_type(loose, arn):
    text = "1 validation error detected: Value null at '%s.attr1.member.dataType' failed to satisfy constraint: Member must not be null"
    attributes = {"attr1": {"StringValue": "v"}}
    refuses(
        loose.publish, text % "messageAttributes", "ValidationError",
        TopicArn=arn, Message="m", MessageAttributes=attributes,
    )  # fmt: skip
    refuses(
        loose.publish_batch, text % "publishBatchRequestEntries.1.member.messageAttributes", "ValidationError",
        TopicArn=arn, PublishBatchRequestEntries=[{"Id": "1", "Message": "m", "MessageAttributes": attributes}],
    )  # fmt: skip


@pytest.mark.parametrize(
    "entries, code, text",
    [
        ([("1", "a"), ("1", "b")], "BatchEntryIdsNotDistinct",
         "Two or more batch entries in the request have the same Id."),
        ([("1", "x" * 200_000), ("2", "x" * 200_000)], "BatchRequestTooLong",
         "The length of all the messages put together is more than the limit."),
        ([("message.id", "a")], "InvalidBatchEntryId",
         "The Id of a batch entry in the batch request contains an impermissible character: message.id"),
        ([("msg@123#test", "a")], "InvalidBatchEntryId",
         "The Id of a batch entry in the batch request contains an impermissible character: msg@123#test"),
        ([("a" * 81, "a")], "InvalidBatchEntryId",
         "The Id of a batch entry in the batch request is too long: " + "a" * 81),
        ([(str(i), "m") for i in range(11)], "TooManyEntriesInBatchRequest",
         "The batch request contains more entries than permissible."),
        ([], "EmptyBatchRequest", "The batch request doesn't contain any entries."),
    ],
)  # fmt: skip
def test_batches_are_refused_in_awss_words(server, arn, entries, code, text):
    batch = [{"Id": i, "Message": m} for i, m in entries]
    refuses(server.sns.publish_batch, text, code, TopicArn=arn, PublishBatchRequestEntries=batch)


def test_only_topics_can_be_published_to(server, arn):
    assert server.sns.publish(TargetArn=arn, Message="m")["MessageId"]
    for target in (
        {"PhoneNumber": "+15551234567"},
        {"TargetArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:endpoint/APNS/app/{uuid.uuid4()}"},
    ):
        code, text, status = code_and_text(server.sns.publish, Message="m", **target)
        assert (code, status) == ("InvalidParameter", 400) and "not supported by Logboom" in text
    assert code_and_text(server.sns.publish, Message="m")[0] == "InvalidParameter"


def test_fifo_topics_are_refused_by_name(server, name):
    code, text, _ = code_and_text(
        server.sns.create_topic, Name=name("t") + ".fifo", Attributes={"FifoTopic": "true"}
    )
    assert code == "InvalidParameter" and "FIFO" in text


def test_dead_letters_are_listed_page_by_page_behind_the_door(make_server):
    server = make_server(env={"LOGBOOM_KEYS": "AKIDEXAMPLE:secret"})
    assert server.http("GET", "/_logboom/dead-letters")[0] == 403
    assert server.http("POST", "/_logboom/dead-letters")[0] == 403
