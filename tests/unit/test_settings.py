"""Settings: where their values come from, and what is said of wrong ones."""

from pathlib import Path

import pytest

from gateway.refusal import Refusal
from gateway.settings import Settings, option_name, read_settings, unknown_variables, variable_name


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_name(name), raising=False)


@pytest.fixture
def config(tmp_path):
    """Writes a settings file and returns its path."""

    def write(text):
        path = tmp_path / "gateway.toml"
        path.write_text(text)
        return path

    return write


def refusal_of(options=None, config=None):
    with pytest.raises(Refusal) as caught:
        read_settings(options or {}, config)
    return str(caught.value)


def test_without_anything_the_defaults_hold():
    settings = read_settings({})
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8080, Path("data"))
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.output_limit_bytes == 10 * 1024 * 1024
    assert settings.job_path == "/usr/local/bin:/usr/bin:/bin"
    assert settings.ignored_query_parameters == ("utm_*", "_")
    assert settings.max_running_jobs >= 2
    assert settings.max_running_jobs % 2 == 0
    assert not settings.stop_jobs_on_exit


def test_an_option_goes_before_the_environment_and_that_before_the_file(config, monkeypatch):
    path = config("port = 1\nhost = 'file'\njob_path = '/file'")
    monkeypatch.setenv("GATEWAY_PORT", "2")
    monkeypatch.setenv("GATEWAY_HOST", "environment")
    settings = read_settings({"port": "3"}, path)
    assert (settings.port, settings.host, settings.job_path) == (3, "environment", "/file")


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    monkeypatch.setenv("GATEWAY_PORT", "")
    assert read_settings({}).port == 8080


def test_lists_are_written_with_commas_or_as_arrays(config, monkeypatch):
    monkeypatch.setenv("GATEWAY_ALLOWED_HOSTS", "a.example, b.example,")
    path = config('allowed_images = ["one", "two/*"]\ntrusted_proxies = "10.0.0.0/8,::1"')
    settings = read_settings({}, path)
    assert settings.allowed_hosts == ("a.example", "b.example")
    assert settings.allowed_images == ("one", "two/*")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")


def test_volumes_are_names_with_sources(config):
    expected = {"in": "/srv/in", "out": "claim:out"}
    assert read_settings({"volumes": "in=/srv/in, out=claim:out"}).volumes == expected
    assert read_settings({}, config('[volumes]\nin = "/srv/in"\nout = "claim:out"')).volumes == expected


@pytest.mark.parametrize("name", ["max_body_bytes", "MAX_BODY_BYTES", "GATEWAY_MAX_BODY_BYTES"])
def test_the_file_may_use_any_form_of_a_name(config, name):
    assert read_settings({}, config(f"{name} = 5")).max_body_bytes == 5


def test_the_public_address_loses_its_last_slash():
    assert read_settings({"public_url": "https://jobs.example/api/"}).public_url == "https://jobs.example/api"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ""),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("public_url", "jobs.example"),
        ("public_url", "ftp://jobs.example"),
        ("public_url", "https://jobs.example/?a=b"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("cors_origins", "https://app.example/"),
        ("cors_origins", "app.example"),
        ("max_body_bytes", "0"),
        ("docs_need_key", "perhaps"),
        ("max_running_jobs", "-1"),
        ("retention_days", "1.5"),
        ("volumes", "in"),
        ("volumes", "=/srv"),
        ("output_limit_bytes", "10"),
        ("docker_url", "/var/run/docker.sock"),
        ("docker_url", "unix://docker.sock"),
        ("docker_url", "tcp://host"),
        ("docker_url", "https://host:2376"),
        ("docker_instance", "two words"),
        ("docker_pids_limit", "-1"),
        ("docker_pull", "sometimes"),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_value_is_told_with_its_setting_and_origin(name, value):
    message = refusal_of({name: value})
    assert message.startswith(f"setting {name.upper()}, from {option_name(name)}: '{value}': ")
    assert "\n" not in message


def test_all_wrong_values_are_told_each_with_its_origin(config, monkeypatch):
    monkeypatch.setenv("GATEWAY_RETENTION_DAYS", "x")
    path = config("max_running = -1")
    lines = refusal_of({"port": "y"}, path).splitlines()
    assert len(lines) == 3
    assert any("MAX_RUNNING, from " + str(path) in line for line in lines)
    assert any("RETENTION_DAYS, from GATEWAY_RETENTION_DAYS" in line for line in lines)
    assert any("PORT, from --port" in line for line in lines)


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(config):
    path = config("prot = 1\nhosst = 'x'")
    assert refusal_of({}, path).splitlines() == [
        f"settings file {path}: prot is no setting; did you mean port?",
        f"settings file {path}: hosst is no setting; did you mean host?",
    ]


def test_a_name_twice_in_the_file_is_refused(config):
    assert "PORT is there twice" in refusal_of({}, config("port = 1\nPORT = 2"))


def test_a_file_that_is_no_toml_is_refused(config):
    assert "gateway.toml: " in refusal_of({}, config("port ="))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    path = tmp_path / "missing.toml"
    assert refusal_of({}, path) == f"settings file {path}: No such file or directory"


def test_unknown_variables_are_told_and_those_of_commands_are_not():
    environment = {"GATEWAY_PROT": "1", "GATEWAY_PORT": "1", "GATEWAY_KEYS_CREATE_NAME": "x", "PATH": "/bin"}
    assert unknown_variables(environment, ("GATEWAY_KEYS_",)) == [
        "environment variable GATEWAY_PROT is no setting; did you mean GATEWAY_PORT?"
    ]


def test_every_setting_says_what_it_is():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.rstrip().endswith("."), name
