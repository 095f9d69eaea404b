"""Refuses what an API server would refuse: by the schemas of its versions, and by what they cannot say."""

import functools
import re

import kubernetes_validate
import kubernetes_validate.utils

from tests.kubernetes_cluster import Object, Refusal

VERSIONS = ("1.34", "1.35", "1.36", "1.37")
"""Whose schemas all that is sent must obey."""
# It reads two files of schemas anew for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def check_schema(given: Object, version: str) -> None:
    """Refuse what the schema of a version does not know."""
    try:
        kubernetes_validate.validate(given, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise Refusal(400, "BadRequest", f"{version}: {error.message}") from None


def check(given: Object, namespace: str) -> None:
    """Refuse what the newest schema or the validation behind it would refuse."""
    check_schema(given, VERSIONS[-1])
    metadata = given["metadata"]
    problems = []
    if metadata["namespace"] != namespace:
        problems.append(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if not NAME.fullmatch(metadata["name"]):
        problems.append(f"metadata.name: Invalid value: {metadata['name']!r}")
    problems += [f"metadata.labels: {v!r}" for v in metadata["labels"].values() if not LABEL.fullmatch(v)]
    if given["kind"] == "Secret":
        problems += [f"data[{key}]: Invalid value" for key in given["data"] if not SECRET_KEY.fullmatch(key)]
    else:
        problems += _pod_problems(given["spec"]["template"]["spec"])
    if problems:
        kind = given["kind"]
        message = f'{kind} "{metadata["name"]}" is invalid: {"; ".join(problems)}'
        raise Refusal(422, "Invalid", message)


def _pod_problems(pod: Object) -> list[str]:
    problems = []
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        problems.append(
            'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
        )
    volumes = [volume["name"] for volume in pod.get("volumes", ())]
    problems += [f"volumes[{name}].name: Invalid value" for name in volumes if not NAME.fullmatch(name)]
    for container in pod["containers"]:
        if container["image"].strip() != container["image"] or not container["image"]:
            problems.append("image: Invalid value: must not have leading or trailing whitespace")
        for mount in container.get("volumeMounts", ()):
            if mount["name"] not in volumes:
                problems.append(f"volumeMounts[{mount['name']}]: Not found")
            if ":" in mount["mountPath"]:
                problems.append("mountPath: Invalid value: must not contain ':'")
        paths = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
        if len(paths) != len(set(paths)):
            problems.append("mountPath: Invalid value: must be unique")
        for name, wanted in container["resources"].get("requests", {}).items():
            limit = container["resources"].get("limits", {}).get(name)
            if limit is not None and _number(wanted) > _number(limit):
                told = f"{wanted!r}: must be less than or equal to {name} limit of {limit}"
                problems.append(f"resources.requests: Invalid value: {told}")
    return problems


def _number(quantity: str) -> float:
    return float(quantity.removesuffix("Mi"))
