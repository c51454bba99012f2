"""A session as a user of Lambda would type it, and the same one from boto3: deploy, publish, shift traffic to a new
version by weight, bound it, follow it with calls made later, roll back, clean up."""

import json

from conftest import ACCOUNT, REGION, eventually
from test_functions import ROLE, error, guest, zipped

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"
GROUP = "/orders/failed"


def test_a_session_of_the_command_line(fresh, tmp_path):
    first, second, out = tmp_path / "v1.zip", tmp_path / "v2.zip", tmp_path / "out.json"
    first.write_bytes(zipped(guest("hostile_guest")))
    second.write_bytes(zipped(guest("hostile_guest"), **{"notes.txt": "another upload"}))
    typed = []

    def aws(command, *more):
        arguments = command.split()
        typed.append(arguments[0])
        return fresh.aws("lambda", *arguments, *more)

    def invoke(*more):
        answer = aws("invoke --function-name orders --payload {\"n\":1}", *more, out)
        return answer, json.loads(out.read_text())

    fresh.aws("logs", "create-log-group", "--log-group-name", GROUP)
    assert aws("get-account-settings")["AccountUsage"]["FunctionCount"] == 0
    made = aws(
        f"create-function --function-name orders --runtime provided.al2023 --handler bootstrap --role {ROLE} "
        "--timeout 10 --tags team=shop --zip-file",
        f"fileb://{first}",
    )
    assert made["FunctionArn"] == ARN and made["State"] == "Pending"
    aws("wait function-active-v2 --function-name orders")
    assert invoke() == ({"StatusCode": 200, "ExecutedVersion": "$LATEST"}, {"n": 1})
    assert aws("publish-version --function-name orders --description one")["Version"] == "1"
    aws("wait published-version-active --function-name orders --qualifier 1")
    alias = aws("create-alias --function-name orders --name live --function-version 1")
    assert alias["AliasArn"] == f"{ARN}:live"
    assert invoke("--qualifier", "live")[0]["ExecutedVersion"] == "1"

    aws("update-function-code --function-name orders --zip-file", f"fileb://{second}")
    aws("wait function-updated-v2 --function-name orders")
    aws("update-function-configuration --function-name orders --environment Variables={behaviour=error}")
    aws("wait function-updated-v2 --function-name orders")
    assert aws("publish-version --function-name orders")["Version"] == "2"
    versions = aws("list-versions-by-function --function-name orders")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    assert versions[1]["CodeSha256"] != versions[2]["CodeSha256"]
    shifted = aws('update-alias --function-name orders --name live --routing-config AdditionalVersionWeights={2=0.5}')
    assert shifted["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
    assert aws("get-alias --function-name orders --name live")["FunctionVersion"] == "1"
    back = aws("update-alias --function-name orders --name live --routing-config AdditionalVersionWeights={}")
    assert "RoutingConfig" not in back
    assert len(aws("list-aliases --function-name orders")["Aliases"]) == 1

    aws("put-function-concurrency --function-name orders --reserved-concurrent-executions 5")
    assert aws("get-function-concurrency --function-name orders")["ReservedConcurrentExecutions"] == 5
    assert aws("get-function --function-name orders")["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    aws("delete-function-concurrency --function-name orders")
    aws(
        "put-function-event-invoke-config --function-name orders --maximum-retry-attempts 0 --destination-config",
        json.dumps({"OnFailure": {"Destination": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"}}),
    )
    answer = aws("invoke --function-name orders --invocation-type Event --payload {\"n\":2}", out)
    assert answer == {"StatusCode": 202}
    told = eventually(lambda: fresh.logs.filter_log_events(logGroupName=GROUP)["events"])
    assert json.loads(told[0]["message"])["requestPayload"] == {"n": 2}
    configs = aws("list-function-event-invoke-configs --function-name orders")["FunctionEventInvokeConfigs"]
    assert [config["MaximumRetryAttempts"] for config in configs] == [0]
    aws("delete-function-event-invoke-config --function-name orders")

    aws(
        "add-permission --function-name orders --qualifier live --statement-id logs --action lambda:InvokeFunction "
        "--principal logs.amazonaws.com"
    )
    policy = json.loads(aws("get-policy --function-name orders --qualifier live")["Policy"])
    assert policy["Statement"][0]["Resource"] == f"{ARN}:live"
    aws("remove-permission --function-name orders --qualifier live --statement-id logs")
    aws(f"tag-resource --resource {ARN} --tags stage=prod")
    assert aws(f"list-tags --resource {ARN}")["Tags"] == {"team": "shop", "stage": "prod"}
    aws(f"untag-resource --resource {ARN} --tag-keys team stage")
    assert aws(f"list-tags --resource {ARN}")["Tags"] == {}
    assert aws("get-function-configuration --function-name orders:live")["Version"] == "1"
    assert aws("get-runtime-management-config --function-name orders")["UpdateRuntimeOn"] == "Auto"
    assert [one["FunctionName"] for one in aws("list-functions --function-version ALL")["Functions"]] == ["orders"] * 3
    refused = fresh.aws("lambda", "delete-function", "--function-name", "orders:1", check=False)
    assert refused.returncode != 0 and "ResourceConflictException" in refused.stderr
    aws("delete-alias --function-name orders --name live")
    aws("delete-function --function-name orders --qualifier 1")
    aws("delete-function --function-name orders")
    gone = fresh.aws("lambda", "get-function", "--function-name", "orders", check=False)
    assert "ResourceNotFoundException" in gone.stderr
    assert len(set(typed)) >= 20, sorted(set(typed))


def test_the_same_session_from_boto3(fresh):
    lambdas, quick = fresh.functions, {"Delay": 0.1}
    fresh.logs.create_log_group(logGroupName=GROUP)
    assert lambdas.get_account_settings()["AccountUsage"]["FunctionCount"] == 0
    made = lambdas.create_function(
        FunctionName="orders", Runtime="provided.al2023", Handler="bootstrap", Role=ROLE, Timeout=10,
        Tags={"team": "shop"}, Code={"ZipFile": zipped(guest("hostile_guest"))},
    )
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    lambdas.get_waiter("function_active_v2").wait(FunctionName="orders", WaiterConfig=quick)
    lambdas.get_waiter("function_exists").wait(FunctionName="orders", WaiterConfig=quick)
    lambdas.get_waiter("function_active").wait(FunctionName="orders", WaiterConfig=quick)
    assert lambdas.invoke(FunctionName="orders", Payload=b'{"n":1}')["ExecutedVersion"] == "$LATEST"
    published = lambdas.publish_version(FunctionName="orders", Description="one")
    assert (published["Version"], published["ResponseMetadata"]["HTTPStatusCode"]) == ("1", 201)
    lambdas.get_waiter("published_version_active").wait(FunctionName="orders", Qualifier="1", WaiterConfig=quick)
    assert lambdas.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")["ResponseMetadata"]["HTTPStatusCode"] == 201

    lambdas.update_function_code(FunctionName="orders", ZipFile=zipped(guest("hostile_guest"), **{"notes.txt": "x"}))
    lambdas.get_waiter("function_updated_v2").wait(FunctionName="orders", WaiterConfig=quick)
    lambdas.update_function_configuration(FunctionName="orders", Environment={"Variables": {"behaviour": "error"}})
    lambdas.get_waiter("function_updated").wait(FunctionName="orders", WaiterConfig=quick)
    assert lambdas.publish_version(FunctionName="orders")["Version"] == "2"
    versions = lambdas.list_versions_by_function(FunctionName="orders")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    assert lambdas.update_alias(FunctionName="orders", Name="live", RoutingConfig=weights)["RoutingConfig"] == weights
    executed = {lambdas.invoke(FunctionName="orders:live", Payload=b"{}")["ExecutedVersion"] for _ in range(60)}
    assert executed == {"1", "2"}
    lambdas.update_alias(FunctionName="orders", Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    assert lambdas.get_alias(FunctionName="orders", Name="live")["FunctionVersion"] == "1"
    assert len(lambdas.list_aliases(FunctionName="orders")["Aliases"]) == 1

    lambdas.put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=5)
    assert lambdas.get_function_concurrency(FunctionName="orders")["ReservedConcurrentExecutions"] == 5
    assert lambdas.get_function(FunctionName="orders")["Concurrency"] == {"ReservedConcurrentExecutions": 5}
    lambdas.delete_function_concurrency(FunctionName="orders")
    destination = {"OnFailure": {"Destination": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"}}
    lambdas.put_function_event_invoke_config(
        FunctionName="orders", MaximumRetryAttempts=0, DestinationConfig=destination
    )
    lambdas.invoke(FunctionName="orders", InvocationType="Event", Payload=b'{"n":2}')
    told = eventually(lambda: fresh.logs.filter_log_events(logGroupName=GROUP)["events"])
    assert json.loads(told[0]["message"])["requestPayload"] == {"n": 2}
    assert len(lambdas.list_function_event_invoke_configs(FunctionName="orders")["FunctionEventInvokeConfigs"]) == 1
    lambdas.delete_function_event_invoke_config(FunctionName="orders")

    grant = dict(StatementId="logs", Action="lambda:InvokeFunction", Principal="logs.amazonaws.com")
    lambdas.add_permission(FunctionName="orders", Qualifier="live", **grant)
    policy = json.loads(lambdas.get_policy(FunctionName="orders", Qualifier="live")["Policy"])
    assert policy["Statement"][0]["Resource"] == f"{ARN}:live"
    lambdas.remove_permission(FunctionName="orders", Qualifier="live", StatementId="logs")
    lambdas.tag_resource(Resource=ARN, Tags={"stage": "prod"})
    assert lambdas.list_tags(Resource=ARN)["Tags"] == {"team": "shop", "stage": "prod"}
    lambdas.untag_resource(Resource=ARN, TagKeys=["team", "stage"])
    assert lambdas.list_tags(Resource=ARN)["Tags"] == {}
    assert lambdas.get_function_configuration(FunctionName="orders:live")["Version"] == "1"
    assert lambdas.get_runtime_management_config(FunctionName="orders")["UpdateRuntimeOn"] == "Auto"
    assert len(lambdas.list_functions(FunctionVersion="ALL")["Functions"]) == 3
    error("ResourceConflictException", lambdas.delete_function, FunctionName="orders:1")
    lambdas.delete_alias(FunctionName="orders", Name="live")
    lambdas.delete_function(FunctionName="orders", Qualifier="1")
    lambdas.delete_function(FunctionName="orders")
    error("ResourceNotFoundException", lambdas.get_function, FunctionName="orders")
