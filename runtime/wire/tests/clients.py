#!/usr/bin/env python3
"""An AWS client without a network: botocore's own serializers and parsers over every served operation.

  clients.py requests   print one JSON line per operation, protocol and outcome: the request, the input it
                        stands for, and the output or fault to answer with
  clients.py answers    read one answer per line on stdin, in the same order; exit 1 and name each that
                        botocore does not read back as it should

Needs the botocore that the shapes were generated from; exits with 2 where there is none.
"""

import base64
import datetime
import io
import json
import pathlib
import sys
import urllib.parse

try:
    import botocore.parsers
    import botocore.serialize
    import botocore.session
    from botocore.awsrequest import HeadersDict
    from botocore.model import ServiceModel
except ImportError:
    print("clients.py: no botocore", file=sys.stderr)
    sys.exit(2)

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "codegen"))
import generate  # noqa: E402

PROTOCOLS = {"logs": ["json"], "cloudwatch": ["json", "query", "smithy-rpc-v2-cbor"], "sns": ["query"],
             "lambda": ["rest-json"], "sts": ["query"], "scheduler": ["rest-json"]}
TIME = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
ACCOUNT, LAMBDA = "0" * 12, "arn:aws:lambda:us-east-1:000000000000:"
# Values for shapes whose patterns a run of letters does not match.
TEXTS = {
    "AccountId": ACCOUNT, "SourceOwner": ACCOUNT, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/r",
    "PrincipalOrgID": "o-aaaaaaaaaaaa", "LayerVersionArn": f"{LAMBDA}layer:a:1", "LocalMountPath": "/mnt/a",
    "FileSystemArn": f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/fsap-{'0' * 17}",
    "SubnetId": "subnet-1", "SecurityGroupId": "sg-1", "Arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:x",
    "CodeSigningConfigArn": f"{LAMBDA}code-signing-config:csc-{'0' * 17}", "KMSKeyArn": "arn:aws:kms:x",
    "Action": "lambda:InvokeFunction", "CapacityProviderArn": f"{LAMBDA}capacity-provider:a",
    "MasterRegion": "us-east-1", "S3Bucket": "aaa", "ResourceArn": "arn:aws:kms:x",
    "DeadLetterConfigArnString": f"arn:aws:sqs:us-east-1:{ACCOUNT}:a", "KmsKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/a",
    "VersionWithLatestPublished": "1", "DestinationArn": f"{LAMBDA}function:a",
    "TaggableResource": f"{LAMBDA}function:a",
    "FunctionRuntimeArn": f"{LAMBDA}runtime/aaaaaaaa", "RuntimeVersionArn": "arn:aws:lambda:us-east-1::runtime:aaaaaa",
}
# The same for the keys of maps.
KEYS = {"AdditionalVersion": "1"}


def sample(shape):
    """A value with every member set, inside the constraints."""
    low = max(1, int(shape.metadata.get("min", 1)))
    kind = shape.type_name
    if kind == "structure":
        members = list(shape.members.items())
        return {name: sample(member) for name, member in (members[:1] if shape.is_tagged_union else members)}
    if kind == "list":
        return [sample(shape.member)] * low
    if kind == "map":
        return {KEYS.get(shape.key.name, f"key{at}"): sample(shape.value) for at in range(low)}
    if kind == "string":
        return shape.enum[0] if shape.enum else TEXTS.get(shape.name, "a" * low)
    return {"blob": b"\x00bin", "boolean": True, "integer": low, "long": low, "double": 1.5, "float": 1.5,
            "timestamp": TIME}[kind]


def neutral(shape, value):
    """The value as the wire room hands it on."""
    if shape is None:
        return {}
    kind = shape.type_name
    if kind == "structure":
        return {name: neutral(shape.members[name], inner) for name, inner in value.items()}
    if kind == "list":
        return [neutral(shape.member, inner) for inner in value]
    if kind == "map":
        return {name: neutral(shape.value, inner) for name, inner in value.items()}
    return {"blob": lambda v: base64.b64encode(v).decode(), "timestamp": lambda v: v.timestamp()}.get(kind, lambda v: v)(value)


def cases():
    """Every operation, answered well and badly. An answer that is an event stream has no body to encode: those are read
    by real clients in the acceptance suite."""
    loader = botocore.session.get_session().get_component("data_loader")
    for service, operations in generate.served_operations().items():
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        for protocol in PROTOCOLS[service]:
            for name in operations:
                operation = model.operation_model(name)
                for fails in (True,) if operation.has_event_stream_output else (False, True):
                    yield protocol, operation, fails


def request(protocol, operation, fails):
    given = sample(operation.input_shape) if operation.input_shape else {}
    made = botocore.serialize.create_serializer(protocol, include_validation=False).serialize_to_request(given, operation)
    body = made["body"]
    if isinstance(body, dict):
        body = urllib.parse.urlencode(body)
    body = body.encode() if isinstance(body, str) else body or b""
    uri, query = made["url_path"], urllib.parse.urlencode(made.get("query_string") or {}, doseq=True)
    if query:
        uri += ("&" if "?" in uri else "?") + query
    output = sample(operation.output_shape) if operation.output_shape else {}
    return {
        "method": made["method"], "uri": uri, "body": base64.b64encode(body).decode(),
        "headers": {key.lower(): str(value) for key, value in made["headers"].items()},
        "operation": operation.name, "input": neutral(operation.input_shape, given),
        "output": neutral(operation.output_shape, output), "fault": list(fault(operation)) if fails else None,
    }


def fault(operation):
    shapes = operation.error_shapes
    return (shapes[0].name if shapes else "InternalFailure"), "text <&> é"


def complaint(protocol, operation, fails, answer):
    """What is wrong with an answer; None where botocore reads what was meant."""
    headers = HeadersDict()
    for name, value in answer["headers"]:
        headers[name] = value
    body = base64.b64decode(answer["body"])
    if operation.has_streaming_output and not fails:
        body = io.BytesIO(body)
    response = {"status_code": answer["status"], "headers": headers, "body": body}
    parsed = botocore.parsers.create_parser(protocol).parse(response, operation.output_shape)
    metadata = parsed.pop("ResponseMetadata")
    # botocore does not look for the request id of an empty CBOR answer.
    if metadata.get("RequestId") != "request-id" and not (protocol.endswith("cbor") and not body):
        return f"no request id: {metadata}"
    if fails:
        shape, message = fault(operation)
        errors = [error.metadata.get("error", {}) for error in operation.error_shapes[:1]]
        code = errors[0].get("code", shape) if errors else shape
        found = parsed.get("Error", {})
        return None if (found.get("Code"), found.get("Message")) == (code, message) else f"wanted {code}, found {found}"
    for name, value in parsed.items():
        parsed[name] = value.read() if hasattr(value, "read") else value
    wanted = sample(operation.output_shape) if operation.output_shape else {}
    return None if parsed == wanted else f"wanted {wanted}, found {parsed}"


def main():
    if botocore.__version__ != generate.BOTOCORE:
        print(f"clients.py: needs botocore {generate.BOTOCORE}, found {botocore.__version__}", file=sys.stderr)
        sys.exit(2)
    if sys.argv[1:] == ["requests"]:
        for case in cases():
            print(json.dumps(request(*case)))
        return
    bad = 0
    for (protocol, operation, fails), line in zip(cases(), sys.stdin.read().splitlines(), strict=True):
        what = complaint(protocol, operation, fails, json.loads(line))
        if what:
            bad += 1
            print(f"{operation.service_model.service_name} {protocol} {operation.name}: {what}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
