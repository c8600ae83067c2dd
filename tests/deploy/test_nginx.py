"""deploy/nginx: Debian's nginx, started with the very file, lets in whom it should and keeps the two groups apart."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import os
import re
import runpy
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assets.__main__ import prepare
from le_pipeline.home import Home

ROOT = Path(__file__).parents[2]
CONF = ROOT / "deploy" / "nginx" / "le-pipeline.conf"
ENGINEERS, VIEWERS = "dagster.example.org", "dagster-view.example.org"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(b"sixteen bytes ok").decode(),
    "Sec-WebSocket-Protocol": "graphql-ws",
}
DEADLINE = 60

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed; on Debian: apt install nginx-light")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Proxy:
    """nginx as it runs, and the passwords that were made for it."""

    port: int
    plain_port: int
    folder: Path
    passwords: dict[str, str]

    def ask(
        self, host: str, path: str = "/", login: str | None = None, data: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask over TLS; `login` is `name:password`, or a name alone for the password that was made for it."""
        if login:
            credentials = login if ":" in login else f"{login}:{self.passwords[login]}"
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        context = ssl.create_default_context(cafile=str(self.folder / "etc" / "certificate.pem"))
        connection = http.client.HTTPConnection(host, timeout=DEADLINE)
        connection.sock = context.wrap_socket(raw, server_hostname=host)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST" if data is not None else "GET", path, body=data, headers=fields)
        answer = connection.getresponse()
        body = "" if answer.status == 101 else answer.read().decode()
        connection.close()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.folder / "log").iterdir()))


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that a process brings about."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert process.poll() is None, "the process has ended"
        assert time.monotonic() < deadline, "it did not come up in time"
        threading.Event().wait(0.02)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listens(port: int) -> bool:
    with socket.socket() as each:
        return each.connect_ex(("127.0.0.1", port)) == 0


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ENGINEERS)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(ENGINEERS), x509.DNSName(VIEWERS)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def start(folder: Path, full: int, read_only: int) -> tuple[Proxy, subprocess.Popen[bytes]]:
    """Start nginx with the shipped file; only ports and folders are others, and each stands in it where expected."""
    (folder / "etc").mkdir(parents=True)
    (folder / "log").mkdir()
    certificate(folder / "etc")
    add_user = runpy.run_path(str(ROOT / "deploy" / "nginx" / "add_user.py"))["add_user"]
    passwords = {
        name: add_user(folder / "etc" / file, name) for file, name in (("engineers", "maria"), ("viewers", "paul"))
    }
    port, plain = free_ports(2)
    text = CONF.read_text(encoding="utf-8")
    for shipped, here, count in (
        ("listen 443 ", f"listen 127.0.0.1:{port} ", 2),
        ("listen 80;", f"listen 127.0.0.1:{plain};", 1),
        ("server 127.0.0.1:3000;", f"server 127.0.0.1:{full};", 1),
        ("server 127.0.0.1:3001;", f"server 127.0.0.1:{read_only};", 1),
        (" /etc/nginx/le-pipeline/c", f" {folder}/etc/c", 1),
        (" /etc/nginx/le-pipeline/key", f" {folder}/etc/key", 1),
        (" /etc/nginx/le-pipeline/$", f" {folder}/etc/$", 1),
        (" /var/log/nginx/", f" {folder}/log/", 2),
    ):
        settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        assert settings.count(shipped) == count, shipped
        text = settings.replace(shipped, here)
    (folder / "le-pipeline.conf").write_text(text)
    places = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/log/main.log crit; events {{}}\n"
        f"http {{ {places}\n include {folder}/le-pipeline.conf; }}"
    )
    process = subprocess.Popen(
        [str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "log" / "start.log")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(lambda: listens(port), process)
    return Proxy(port, plain, folder, passwords), process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=DEADLINE)


class Stub(BaseHTTPRequestHandler):
    """A webserver that says which it is and what it was sent; it answers the handshake of a websocket."""

    def answer(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("X-Webserver", self.server.name)  # type: ignore[attr-defined]
            self.end_headers()
            self.close_connection = True
            return
        sent = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"webserver": self.server.name, "sent": sent}).encode()  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    servers = []
    for name in ("full", "read-only"):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
        server.name = name  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
    made, process = start(tmp_path / "nginx", servers[0].server_port, servers[1].server_port)
    yield made
    stop(process)
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("host", [ENGINEERS, VIEWERS])
@pytest.mark.parametrize(
    "path", ["/", "/graphql", "/runs", "/server_info", "/static/a.js", "/report_asset_check/a", "/a/%2e%2e/graphql"]
)
def test_without_a_login_no_path_answers(proxy: Proxy, host: str, path: str) -> None:
    assert proxy.ask(host, path).status == 401
    assert proxy.ask(host, path, data=b"{}").status == 401
    assert proxy.ask(host, path, **UPGRADE).status == 401


@pytest.mark.parametrize("login", ["maria:wrong", "maria:", "nobody:wrong", ":", "paul:" + "x" * 500])
def test_a_wrong_login_is_refused(proxy: Proxy, login: str) -> None:
    for host in (ENGINEERS, VIEWERS):
        assert proxy.ask(host, "/graphql", login, data=b"{}").status == 401
        assert proxy.ask(host, "/graphql", login, **UPGRADE).status == 401


def test_each_group_reaches_its_own_webserver_and_no_other(proxy: Proxy) -> None:
    for path in ("/", "/graphql"):
        assert json.loads(proxy.ask(ENGINEERS, path, "maria").body)["webserver"] == "full"
        assert json.loads(proxy.ask(VIEWERS, path, "paul").body)["webserver"] == "read-only"
        assert proxy.ask(ENGINEERS, path, "paul").status == 401
        assert proxy.ask(VIEWERS, path, "maria").status == 401
    assert proxy.ask(VIEWERS, f"https://{ENGINEERS}/", "paul").status == 401


def test_a_websocket_goes_through_to_the_groups_own_webserver(proxy: Proxy) -> None:
    for host, login, webserver in ((ENGINEERS, "maria", "full"), (VIEWERS, "paul", "read-only")):
        answer = proxy.ask(host, "/graphql", login, **UPGRADE)
        assert (answer.status, answer.headers["x-webserver"]) == (101, webserver)
        assert proxy.ask(host, "/graphql", login, **UPGRADE, Origin=f"https://{host}").status == 101


def test_the_password_ends_at_the_proxy(proxy: Proxy) -> None:
    sent = json.loads(proxy.ask(ENGINEERS, "/", "maria").body)["sent"]

    assert "authorization" not in sent
    assert proxy.passwords["maria"] not in proxy.log()
    assert proxy.passwords["maria"] not in (proxy.folder / "etc" / "engineers").read_text()


@pytest.mark.parametrize(
    "elsewhere", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": f"http://{ENGINEERS}"}]
)
def test_what_another_page_makes_a_browser_send_is_refused(proxy: Proxy, elsewhere: dict[str, str]) -> None:
    assert proxy.ask(ENGINEERS, "/graphql", "maria", data=b"{}", **elsewhere).status == 403
    assert proxy.ask(ENGINEERS, "/graphql", "maria", **UPGRADE, **elsewhere).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_address_may_be_opened_from_elsewhere_and_nothing_more(proxy: Proxy, site: str) -> None:
    assert proxy.ask(ENGINEERS, "/runs", "maria", Sec_Fetch_Site=site).status == 200
    for path in (
        "/graphql?query=mutation",
        "/%67raphql?query=mutation",
        "//graphql",
        "/a/../graphql",
        "/report_asset_check/a",
    ):
        assert proxy.ask(ENGINEERS, path, "maria", Sec_Fetch_Site=site).status == 403, path
    assert proxy.ask(ENGINEERS, "/graphql", "maria", Sec_Fetch_Site="same-origin").status == 200


def test_headers_are_sensible_and_tell_no_version(proxy: Proxy) -> None:
    for answer in (proxy.ask(ENGINEERS, "/", "maria"), proxy.ask(ENGINEERS, "/")):
        assert answer.headers["server"] == "nginx"
        assert not re.search(r"\d+\.\d+\.\d+", answer.body)
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "max-age" in answer.headers["strict-transport-security"]


def test_what_stands_behind_a_question_mark_is_never_logged(proxy: Proxy) -> None:
    for login in ("maria", "maria:wrong", None):
        proxy.ask(ENGINEERS, "/runs?student=Zebulon", login)
    proxy.ask(ENGINEERS, "/graphql?x=Zebulon", "maria", data=b"y" * 2_000_000)

    assert "/runs 200" in proxy.log() and "/runs 401" in proxy.log()
    assert "Zebulon" not in proxy.log()


def test_a_large_body_is_refused(proxy: Proxy) -> None:
    assert proxy.ask(ENGINEERS, "/graphql", "maria", data=b"x" * 1_000_000).status == 200
    assert proxy.ask(ENGINEERS, "/graphql", "maria", data=b"x" * 1_100_000).status == 413


def test_guesses_of_a_password_are_limited(proxy: Proxy) -> None:
    statuses = [proxy.ask(ENGINEERS, "/", f"maria:{guess}").status for guess in range(600)]

    assert set(statuses) == {401, 429}
    assert statuses[:300] == [401] * 300


def test_a_name_that_is_not_ours_gets_no_answer(proxy: Proxy) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.ask("elsewhere.example", "/", "maria")


def test_plain_http_leads_to_tls_and_carries_nothing_on(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain_port, timeout=DEADLINE)
    connection.request("GET", "/runs?student=1", headers={"Host": ENGINEERS})
    answer = connection.getresponse()

    assert (answer.status, answer.getheader("Location")) == (301, f"https://{ENGINEERS}")


def test_a_person_whose_line_is_deleted_is_out_and_a_new_password_replaces_the_old(proxy: Proxy) -> None:
    add_user = runpy.run_path(str(ROOT / "deploy" / "nginx" / "add_user.py"))["add_user"]
    file = proxy.folder / "etc" / "engineers"
    new = add_user(file, "maria")

    assert proxy.ask(ENGINEERS, "/", "maria").status == 401
    assert proxy.ask(ENGINEERS, "/", f"maria:{new}").status == 200
    assert file.stat().st_mode & 0o777 == 0o640
    file.write_text("")
    assert proxy.ask(ENGINEERS, "/", f"maria:{new}").status == 401


def test_both_webservers_listen_on_this_machine_only() -> None:
    upstreams = re.findall(r"^    server ([\d.]+):\d+;", CONF.read_text(encoding="utf-8"), re.MULTILINE)
    recipes = re.findall(r"dagster(?:-webserver| dev).*", (ROOT / "Makefile").read_text(encoding="utf-8"))

    assert upstreams == ["127.0.0.1", "127.0.0.1"]
    assert len(recipes) == 2
    assert all("--host 127.0.0.1" in recipe for recipe in recipes)
    assert ["--read-only" in recipe for recipe in recipes] == [False, True]


def graphql(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


@pytest.mark.slow
def test_a_viewer_sees_runs_and_assets_and_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LE_HOME", str(tmp_path / "home"))
    prepare(Home.at(tmp_path / "home"))
    (read_only, full) = free_ports(2)
    command = ["-m", "dagster_webserver", "--read-only", "--host", "127.0.0.1", "--port", str(read_only)]
    webserver = subprocess.Popen(
        [sys.executable, *command, "--workspace", str(ROOT / "workspace.yaml")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: listens(read_only), webserver)
        proxy, process = start(tmp_path / "nginx", full, read_only)
        try:
            look(proxy)
        finally:
            stop(process)
    finally:
        stop(webserver)


def look(proxy: Proxy) -> None:
    json_type = {"Content_Type": "application/json"}
    nodes = graphql(
        "{ assetNodes { assetKey { path } }"
        " repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
    )
    seen = json.loads(proxy.ask(VIEWERS, "/graphql", "paul", data=nodes, **json_type).body)["data"]
    assert ["marts", "program_reach"] in [node["assetKey"]["path"] for node in seen["assetNodes"]]
    (repository,) = seen["repositoriesOrError"]["nodes"]

    launch = graphql(
        "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }",
        p={
            "selector": {
                "repositoryName": repository["name"],
                "repositoryLocationName": repository["location"]["name"],
                "jobName": "whole_line",
            },
            "mode": "default",
        },
    )
    launched = json.loads(proxy.ask(VIEWERS, "/graphql", "paul", data=launch, **json_type).body)
    assert launched["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    reported = proxy.ask(VIEWERS, "/report_asset_materialization/marts/program_reach", "paul", data=b"{}", **json_type)
    assert "Not authorized" in reported.body
    runs = json.loads(
        proxy.ask(
            VIEWERS, "/graphql", "paul", data=graphql("{ runsOrError { ... on Runs { results { id } } } }"), **json_type
        ).body
    )
    assert runs["data"]["runsOrError"]["results"] == []
    assert proxy.ask(VIEWERS, "/graphql", "paul", **UPGRADE).status == 101
    assert "<html" in proxy.ask(VIEWERS, "/", "paul").body
    assert proxy.ask(VIEWERS, "/graphql", data=nodes, **json_type).status == 401
    assert (
        proxy.ask(ENGINEERS, "/", "maria").status == 502
    )  # the full webserver is not there, and nothing takes its place
