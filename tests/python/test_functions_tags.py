"""Tags of functions, and what Terraform reads back of one."""

from conftest import ACCOUNT, REGION
from test_functions import deploy, error, guest
from test_functions_versions import ARN, publish


def test_tags_are_set_listed_and_removed(server, name):
    lambdas, one = server.functions, name("tagged")
    made = deploy(server, one, guest("redact"), Tags={"team": "x"})
    arn = made["FunctionArn"]
    lambdas.tag_resource(Resource=arn, Tags={"stage": "prod", "with space": "a=b", "team": "y"})
    assert lambdas.list_tags(Resource=arn)["Tags"] == {"stage": "prod", "with space": "a=b", "team": "y"}
    lambdas.untag_resource(Resource=arn, TagKeys=["with space", "team", "none"])
    assert lambdas.list_tags(Resource=arn)["Tags"] == {"stage": "prod"}
    lambdas.untag_resource(Resource=arn, TagKeys=["stage"])
    assert lambdas.list_tags(Resource=arn)["Tags"] == {}
    lambdas.tag_resource(Resource=arn, Tags={f"k{n}": "v" for n in range(50)})
    message = error("InvalidParameterValueException", lambdas.tag_resource, Resource=arn, Tags={"more": "v"})
    assert message == "Number of tags exceeds resource tag limit."


def test_tags_that_mean_nothing_are_refused(server, name):
    lambdas, one = server.functions, name("untagged")
    arn = deploy(server, one, guest("redact"))["FunctionArn"]
    publish(server, one)
    message = error("InvalidParameterValueException", lambdas.tag_resource, Resource=arn + ":1", Tags={"a": "b"})
    assert message.startswith("Tags on function aliases and versions are not supported.")
    message = error(
        "InvalidParameterValueException", lambdas.tag_resource, Resource=arn, Tags={"logboom:allow-everything": "1"}
    )
    assert "everything" in message
    missing = f"{ARN}{name('none')}"
    for call, more in (
        (lambdas.list_tags, {}),
        (lambdas.tag_resource, {"Tags": {"a": "b"}}),
        (lambdas.untag_resource, {"TagKeys": ["a"]}),
    ):
        assert error("ResourceNotFoundException", call, Resource=missing, **more) == f"Function not found: {missing}"
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:01234567-89ab-cdef-0123-456789abcdef"
    assert "not the ARN of a function" in error("InvalidParameterValueException", lambdas.list_tags, Resource=layer)


def test_a_grant_is_taken_back_from_every_version(server, name):
    lambdas, one, topic = server.functions, name("granted"), name("ops")
    server.sns.create_topic(Name="ops")
    server.logs.create_log_group(logGroupName=name("/in"))
    arn = deploy(
        server, one, guest("hostile_guest"), Tags={"logboom:allow-publish": topic},
    )["FunctionArn"]
    publish(server, one)
    assert lambdas.get_function(FunctionName=one, Qualifier="1")["Tags"] == {"logboom:allow-publish": topic}
    lambdas.untag_resource(Resource=arn, TagKeys=["logboom:allow-publish"])
    assert "Tags" not in lambdas.get_function(FunctionName=one, Qualifier="1")


def test_what_is_read_back_of_a_function(server, name):
    lambdas, one = server.functions, name("terraform")
    arn = deploy(server, one, guest("redact"))["FunctionArn"]
    signing = lambdas.get_function_code_signing_config(FunctionName=one)
    assert (signing["FunctionName"], signing["CodeSigningConfigArn"]) == (one, "")
    managed = lambdas.get_runtime_management_config(FunctionName=one)
    assert (managed["UpdateRuntimeOn"], managed["FunctionArn"]) == ("Auto", f"{arn}:$LATEST")
    for call in (lambdas.get_function_code_signing_config, lambdas.get_runtime_management_config):
        error("ResourceNotFoundException", call, FunctionName=name("none"))
    error("ResourceNotFoundException", lambdas.get_runtime_management_config, FunctionName=one, Qualifier="3")
