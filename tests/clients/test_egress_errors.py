from ashiato.clients.egress_errors import EgressRefused, RedirectRefused, Unreachable


def test_a_message_shows_neither_user_information_nor_the_query() -> None:
    for kind in (EgressRefused, Unreachable):
        error = kind("https://user:secret@a.example/x?signature=secret", "why")
        assert "secret" not in str(error)
        assert "a.example/x" in str(error)
    assert "secret" not in str(
        RedirectRefused("https://a.example/?s=secret", 302, "https://b.example/?s=secret")
    )
