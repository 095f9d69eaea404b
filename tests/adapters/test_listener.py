"""The listening socket: bound early, its failures told by the setting."""

import errno
import socket

import pytest

from gateway.listener import Listener, refusal_of
from gateway.refusal import Refusal


def test_port_0_is_a_free_port_that_is_told():
    listener = Listener("127.0.0.1", 0)
    assert listener.port > 0
    assert listener.url == f"http://127.0.0.1:{listener.port}"
    assert listener.is_loopback
    listener.close()


def test_nothing_is_taken_before_a_server_listens():
    listener = Listener("127.0.0.1", 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", listener.port), timeout=5)
    listener.close()


def test_an_open_address_is_reached_over_loopback():
    listener = Listener("0.0.0.0", 0)
    assert not listener.is_loopback
    assert listener.url == f"http://0.0.0.0:{listener.port}"
    assert listener.local_url == f"http://127.0.0.1:{listener.port}"
    listener.close()


def test_a_name_is_resolved():
    listener = Listener("localhost", 0)
    assert listener.is_loopback
    listener.close()


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Refusal, match=rf"port in use: .* on 127\.0\.0\.1:{port}; choose another PORT"):
            Listener("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(Refusal, match=r"setting HOST: '192\.0\.2\.1' is no address of this machine"):
        Listener("192.0.2.1", 0)


def test_a_name_that_means_nothing_is_refused():
    with pytest.raises(Refusal, match=r"setting HOST: 'no such host' cannot be resolved"):
        Listener("no such host", 0)


def test_other_failures_are_told_with_their_reason():
    assert "may not listen on [::1]:80" in str(refusal_of(OSError(errno.EACCES, "x"), "::1", 80))
    assert str(refusal_of(OSError(errno.ENOBUFS, "full"), "::1", 80)) == "cannot listen on [::1]:80: full"
