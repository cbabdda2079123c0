"""Promises of tasks/processes/redaction.py."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.processes.redaction import redact

secrets = st.text(
    "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=24, max_size=40
)
PLACES = [
    "PREFECT_API_KEY={}",
    "PREFECT_API_AUTH_STRING={}",
    "export AWS_SECRET_ACCESS_KEY={}",
    "  AWS_SESSION_TOKEN={} and more",
    "declare -x SSH_PASSWORD={}",
    "MYSQL_PWD={}",
    "SSHPASS={}",
    "setenv GITHUB_TOKEN {}",
    "set ::env(API_TOKEN) {}",
    'password = "{} with spaces"',
    '{{"password": "{}", "user": "xilinx"}}',
    "db_password: {}",
    "vivado --api-key {} --jobs 4",
    "curl --token={} https://host/x",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    "sent header bearer {}",
    "git clone https://user:{}@host.example/x.git",
    "postgresql://prefect:{}@host/db",
    "https://{}@host.example/x.git",
    "remote ghp_{}",
    "key pnu_{}",
    "glpat-{}",
    "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\n{} (the log ends here)",
    "eyJhbGciOiJIUzI1NiJ9.{}.c2ln",
    "DB_PASS={}",
    "SMTP_PASS: {}",
    "smtp.pass = '{}'",
    "GITLAB_PAT={}",
    "ROOT_PW={}",
    "//registry.example/:_auth={}",
    "npm_config_auth={}",
    "curl -u me:{} https://host/x",
    "curl -sSf --user 'me:{}' -o x https://host/x",
    "curl -sSfu me:{} https://host/x",
    "curl --proxy-user=me:{} https://host/x",
    "sshpass -p {} ssh xilinx@pynq",
    "sshpass -p'{}' scp a xilinx@pynq:",
    "plink -pw {} xilinx@pynq",
    "machine host.example login me password {}",
    "machine host.example\n  login me\n  password {}\n",
    "https://a.blob.example/c/x?sv=2024&se=2026&sig={}%3D",
    "https://b.example/x?X-Amz-Signature={}&X-Amz-Date=1",
    "DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==;EndpointSuffix=x",
    "Endpoint=sb://x/;SharedAccessKeyName=root;SharedAccessKey={}=",
    '{{"auths": {{"registry.example": {{"auth": "{}"}}}}}}',
    "https://hooks.slack.com/services/T0/B0/{}",
    "sk_live_{}",
    "glrt-{}",
    "SG.{0}.{0}",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{}\n-----END PGP PRIVATE KEY BLOCK-----",
    "Private-Lines: 1\n{}\nPrivate-MAC: 00",
    "mysql -u root -p{} results",
    "mysqldump --all-databases -p'{}'",
    "docker login -u me -p {} registry.example",
    "az login --service-principal -p {}",
    "redis-cli -h host -a {} ping",
    "ldapsearch -D cn=me -w {} -b x",
    "ssh-keygen -q -N {} -f key",
    "smbclient //host/share -U me%{}",
    "http -a me:{} https://host/x",
    "openssl rsa -in key -passin pass:{}",
    "https://maps.example/x?key={}&q=1",
    "https://discord.com/api/webhooks/123/{}",
    "https://team.webhook.office.com/webhookb2/{}@x/IncomingWebhook/y",
    "glsa_{}_12345678",
    "AGE-SECRET-KEY-1{}",
    "LICENSE_KEY={}",
    "vncpasswd={}",
]
HARMLESS = [
    "XILINXD_LICENSE_FILE=2100@licences.example.org",
    "LM_LICENSE_FILE=/opt/Xilinx/Xilinx.lic",
    "PWD=/home/user/build",
    "Permission denied (publickey,password).",
    "INFO: [Common 17-349] Got license for feature 'Synthesis' and/or device 'xc7z020'",
    "git@github.com:owner/name.git",
    "https://github.com/owner/name@v1",
    "set_property board_part tul.com.tw:pynq-z2:part0:1.0 [current_project]",
    "Phase 1 Build RT Design | Checksum: 1fce1004d",
    "WARNING: [Synth 8-7080] key feature: tokenizer_0 | keys=3",
    "author: somebody, author=somebody",
    "docker run -u 1000:1000 image",
    "curl -O https://host/x:y",
    "pass: 3, fail: 0",
    "INFO: [COSIM 212-1000] *** C/RTL co-simulation finished: PASS ***",
    "Phase 1.2 pass -p 8 -pwr 3",
    "signal sig=3 of the pattern pat: 5",
    "Enter your password or leave it empty",
    "mysql -u root results -e 'select 1'",
    "docker run -p 8080:80 image",
    "mkdir -p build && docker login registry.example",
    "ssh-keygen -lf key.pub",
    "https://host/x?key=name",
    "https://host/x -a 1:2",
]
ENVIRONMENT = """\
Environment of the step:
HOME=/home/user
PATH=/opt/Xilinx/Vivado/2019.2/bin:/usr/bin
XILINX_VIVADO=/opt/Xilinx/Vivado/2019.2
XILINXD_LICENSE_FILE=2100@licences.example.org
INNOCENT_NAME=5ecr3t
LANG=C.UTF-8
OTHER=5ecr3t with spaces=and more
"""


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=15)
@given(secret=secrets)
def test_a_secret_is_taken_out_wherever_it_stands(place: str, secret: str) -> None:
    text = f"before\n{place.format(secret)}\nafter"
    redacted = redact(text)
    assert secret not in redacted
    assert redacted.startswith("before\n")
    assert "***" in redacted


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redact("vivado --api-key abc --jobs 4") == "vivado --api-key *** --jobs 4"
    assert redact("https://me:pa@ss@host/x") == "https://***@host/x"
    assert redact('{"token": "a b", "n": 1}') == '{"token": ***, "n": 1}'


def test_of_a_dumped_environment_only_names_known_to_be_harmless_keep_their_value() -> None:
    redacted = redact(ENVIRONMENT)
    assert "5ecr3t" not in redacted
    assert "INNOCENT_NAME=***\n" in redacted
    for line in ENVIRONMENT.splitlines():
        if "5ecr3t" not in line:
            assert line in redacted.splitlines()


def test_assignments_that_are_no_environment_stay() -> None:
    text = "".join(f"option_{number}={number}\n" for number in range(9))
    assert redact(text) == text


def test_signatures_of_licence_files_go() -> None:
    line = 'INCREMENT Synthesis xilinxd 2029.01 permanent HOSTID=0242 SIGN="0A1B 2C3D 4E5F 6071"'
    assert redact(line) == line[: line.index('"')] + "***"


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


HOSTILE = ["_", "a_", "-", "token", "a.b-", "token=", "A=1\n", "://", "{"]
HOSTILE += ["curl ", "curl -u ", "machine ", "?sig=", "_pass", "a_pass=", "1", "SG.", "glpat-"]
HOSTILE += ["Private-Lines: 1\n", "-----BEGIN PRIVATE KEY-----\n"]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_lines_take_no_more_than_linear_time(unit: str) -> None:
    assert redact(unit * 50_000)
