#!/usr/bin/env python3
"""Write sign.json: requests signed by botocore, an independent SigV4 signer, with made-up keys.

  sign.py    needs botocore; run again after adding a case, commit both files
"""

import datetime
import hashlib
import json
import pathlib

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "made/up+secret=0123456789ABCDEFGHIJKLMNO"
HOST = "127.0.0.1:4586"
JSON11 = {"Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
FUNCTIONS = "/2015-03-31/functions"


def case(name, service, method="POST", path="/", headers=(), body=b"", region="us-east-1",
         when="2026-01-31T12:00:00", expires=None):
    return dict(name=name, service=service, method=method, path=path, headers=dict(headers), body=body,
                region=region, when=datetime.datetime.fromisoformat(when), expires=expires)


def target(name):
    return {**JSON11, "X-Amz-Target": f"Logs_20140328.{name}"}


CASES = [
    case("json", "logs", headers=target("CreateLogGroup"), body=b'{"logGroupName":"/app"}'),
    case("empty object", "logs", headers=target("DescribeLogGroups"), body=b"{}"),
    case("empty body", "logs", headers=target("DescribeLogGroups")),
    case("utf-8 body", "logs", headers=target("PutLogEvents"), body="{\"m\":\"grüße 🚀\"}".encode()),
    case("binary body", "logs", headers={**target("PutLogEvents"), "Content-Encoding": "gzip"}, body=bytes(range(256))),
    case("64 kB body", "logs", headers=target("PutLogEvents"), body=b"x" * 65536),
    case("another region", "logs", headers=target("StartQuery"), body=b"{}", region="eu-central-1"),
    case("a new year", "logs", headers=target("StartQuery"), body=b"{}", when="2025-12-31T23:59:59"),
    case("a leap day", "logs", headers=target("StartQuery"), body=b"{}", when="2028-02-29T00:00:00"),
    case("retry headers", "logs", headers={**target("GetLogEvents"), "amz-sdk-invocation-id": "0a1b", "amz-sdk-request": "attempt=1; max=3"}, body=b"{}"),
    case("spaces in a header", "logs", headers={**target("GetLogEvents"), "X-Amz-Meta": "  a   b  c "}, body=b"{}"),
    case("payload hash header", "logs", headers={**target("GetLogEvents"), "X-Amz-Content-SHA256": hashlib.sha256(b"{}").hexdigest()}, body=b"{}"),
    case("unsigned payload", "logs", headers={**target("GetLogEvents"), "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, body=b"{}"),
    case("cloudwatch json", "monitoring", headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "GraniteServiceVersion20100801.PutMetricData", "x-amzn-query-mode": "true"}, body=b'{"Namespace":"N"}'),
    case("cloudwatch cbor", "monitoring", path="/service/GraniteServiceVersion20100801/operation/ListMetrics", headers={"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}, body=b"\xa0"),
    case("cloudwatch query", "monitoring", headers=FORM, body=b"Action=ListMetrics&Version=2010-08-01"),
    case("sns query", "sns", headers=FORM, body=b"Action=Publish&Version=2010-03-31&Message=a+b%26c"),
    case("sts query", "sts", headers=FORM, body=b"Action=GetCallerIdentity&Version=2011-06-15"),
    case("lambda list", "lambda", "GET", f"{FUNCTIONS}?MaxItems=10&Marker=a%20b%2Fc"),
    case("lambda trailing slash", "lambda", "GET", f"{FUNCTIONS}/"),
    case("lambda create", "lambda", path=FUNCTIONS, headers={"Content-Type": "application/json"}, body=b'{"FunctionName":"f"}'),
    case("lambda arn in the path", "lambda", "GET", f"{FUNCTIONS}/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"),
    case("lambda invoke", "lambda", path=f"{FUNCTIONS}/f/invocations?Qualifier=%24LATEST", headers={"X-Amz-Invocation-Type": "Event"}, body=b'{"a":1}'),
    case("lambda invoke without payload", "lambda", path=f"{FUNCTIONS}/f/invocations"),
    case("lambda delete", "lambda", "DELETE", f"{FUNCTIONS}/f"),
    case("repeated parameters", "lambda", "GET", f"{FUNCTIONS}?b=2&a=2&a=1&c"),
    case("unicode in the path", "lambda", "GET", f"{FUNCTIONS}/gr%C3%BC%C3%9Fe"),
    case("presigned sns", "sns", "GET", "/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At%3A1", expires=3600),
    case("presigned sts", "sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", expires=60),
    case("presigned lambda", "lambda", "GET", FUNCTIONS, expires=604800),
]


def sign(case):
    stamp = case["when"]
    # The signer's clock.
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: stamp
    request = AWSRequest(method=case["method"], url=f"http://{HOST}{case['path']}", data=case["body"],
                         headers={"Host": HOST, **case["headers"]})
    credentials = Credentials(KEY, SECRET)
    if case["expires"]:
        signer = botocore.auth.SigV4QueryAuth(credentials, case["service"], case["region"], expires=case["expires"])
    else:
        signer = botocore.auth.SigV4Auth(credentials, case["service"], case["region"])
    if "X-Amz-Content-SHA256" in case["headers"]:
        request.context["payload_signing_enabled"] = case["headers"]["X-Amz-Content-SHA256"] != "UNSIGNED-PAYLOAD"
        signer.payload = lambda request: case["headers"]["X-Amz-Content-SHA256"]
    signer.add_auth(request)
    url = request.url.removeprefix(f"http://{HOST}")
    return {
        "name": case["name"], "service": case["service"], "method": case["method"], "uri": url,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "body": case["body"].hex() if len(case["body"]) <= 512 else f"{len(case['body'])} x {case['body'][:1].hex()}",
        "time_ms": int(stamp.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000),
    }


def main():
    out = {"key": KEY, "secret": SECRET, "signer": f"botocore {botocore.__version__}", "cases": [sign(c) for c in CASES]}
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(f"{len(CASES)} cases written to {path.name}")


if __name__ == "__main__":
    main()
