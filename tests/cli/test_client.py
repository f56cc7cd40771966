import json
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.cli.running import Ran, run
from tests.cli.scripted import scripted


def listed(home: Path, url: str, **more: str) -> Ran:
    environment = {
        "ASHIATO_URL": url,
        "ASHIATO_API_KEY": "the-key",
        "ASHIATO_COMPANY": "maker",
        "HOME": str(home),
    }
    return run(["asset", "list"], {**environment, **more})


def test_the_key_and_the_path_are_sent_as_they_should_be(tmp_path: Path) -> None:
    body = json.dumps({"items": [], "next_cursor": None}).encode()
    with scripted(body=body) as (port, handler):
        assert listed(tmp_path, f"http://127.0.0.1:{port}/behind/a/proxy/").exit_code == 0
    ((method, path, headers),) = handler.came
    assert (method, path) == ("GET", "/behind/a/proxy/v1/maker/assets?limit=100")
    assert headers["Authorization"] == "Bearer the-key"


def test_an_id_cannot_leave_its_place_in_the_path(tmp_path: Path) -> None:
    environment = {"ASHIATO_API_KEY": "k", "ASHIATO_COMPANY": "maker", "HOME": str(tmp_path)}
    with scripted() as (port, handler):
        run(
            ["asset", "show", "../../cells/assets?x=1#y"],
            {**environment, "ASHIATO_URL": f"http://127.0.0.1:{port}"},
        )
    assert handler.came[0][1] == "/v1/maker/assets/..%2F..%2Fcells%2Fassets%3Fx%3D1%23y"


def test_nobody_there_is_said_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    ran = listed(tmp_path, f"http://127.0.0.1:{port}")
    assert ran.exit_code == 3
    assert "cannot be reached" in ran.err
    assert "ASHIATO_URL" in ran.err
    assert ran.out == ""


def test_a_name_that_does_not_exist_is_nobody_there(tmp_path: Path) -> None:
    assert listed(tmp_path, "https://nobody.invalid").exit_code == 3


@pytest.mark.parametrize(
    ("status_code", "body"),
    [
        (200, b"<html>welcome</html>"),
        (200, b"[1, 2]"),
        (502, b"<html>bad gateway</html>"),
        (404, b"{}"),
        (403, b"[]"),
        (500, b"\xff"),
    ],
)
def test_who_is_no_ashiato_node_is_told_apart(tmp_path: Path, status_code: int, body: bytes) -> None:
    with scripted(status_code, body) as (port, _):
        ran = listed(tmp_path, f"http://127.0.0.1:{port}")
    assert ran.exit_code == 3
    assert "not as an Ashiato management API does" in ran.err


def test_a_redirect_is_not_followed_with_the_key(tmp_path: Path) -> None:
    with scripted() as (target_port, target):
        headers = {"Location": f"http://127.0.0.1:{target_port}/v1/maker/assets"}
        with scripted(307, b"", headers) as (port, _):
            assert listed(tmp_path, f"http://127.0.0.1:{port}").exit_code == 3
    assert target.came == []


def test_who_does_not_speak_http_is_unreachable(tmp_path: Path) -> None:
    def babble(server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH\r\n")
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=babble, args=(server,), daemon=True)
        thread.start()
        ran = listed(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)
    assert ran.exit_code == 3
    assert "does not speak HTTP" in ran.err


def test_a_certificate_of_nobody_is_not_trusted_and_an_own_authority_is(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    body = json.dumps({"items": [], "next_cursor": None}).encode()
    with scripted(body=body, tls=tls) as (port, handler):
        refused = listed(tmp_path, f"https://localhost:{port}")
        assert handler.came == []
        trusted = listed(tmp_path, f"https://localhost:{port}", ASHIATO_CA_FILE=str(certificate))
        missing = listed(tmp_path, f"https://localhost:{port}", ASHIATO_CA_FILE=str(tmp_path / "none.pem"))
    assert refused.exit_code == 3
    assert "ASHIATO_CA_FILE" in refused.err
    assert trusted.exit_code == 0
    assert missing.exit_code == 2


def self_signed(folder: Path) -> tuple[Path, Path]:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file
