"""What one address may do: limits by name, counted and logged (N4, N5, E1, J4, I9)."""

from bosh import DOMAIN, NB, Conn, Gateway, Session, until

FRUGAL = """
limit-loopback = yes
creations-per-address = 1
login-failures-per-address = 2
unknown-sids-per-address = 3
requests-per-address = 1000
"""
USER = 'user "ann" { password = wonder }\n'


def limited(gateway, limit):
    return gateway.metric(f'waft_bosh_limited_total{{limit="{limit}"}}')


def creation(gateway):
    return Conn(gateway.port).call(
        f"<body rid='7' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>")


def test_N5_creations_per_address_are_limited():
    with Gateway(FRUGAL) as gateway:
        answers = [creation(gateway) for _ in range(40)]
        good = [answer for answer in answers if answer.condition is None]
        # Ten seconds' worth, and what the test itself took of time.
        assert 10 <= len(good) < 40
        assert all(answer.condition in (None, "policy-violation")
                   for answer in answers)
        assert limited(gateway, "creations-per-address") == 40 - len(good)
        assert "limit=creations-per-address" in gateway.log.read_text()


def test_N5_loopback_is_not_counted_unless_it_is_said():
    with Gateway(FRUGAL.replace("= yes", "= no")) as gateway:
        assert all(creation(gateway).condition is None for _ in range(40))


def test_A18_addresses_behind_a_trusted_proxy_are_counted_apart():
    with Gateway(FRUGAL.replace("= yes", "= no") +
                 'trusted-proxies = {"127.0.0.1"}\n') as gateway:
        def create(address):
            return Conn(gateway.port).call(
                f"<body rid='7' to='{DOMAIN}' ver='1.6' xmlns='{NB}'/>",
                headers=[f"X-Forwarded-For: {address}"]).condition

        first = [create("192.0.2.1") for _ in range(40)]
        assert "policy-violation" in first
        assert create("192.0.2.2") is None


def test_E1_guessing_sids_is_limited():
    with Gateway(FRUGAL) as gateway:
        session = Session(gateway.port)
        conn = Conn(gateway.port)
        for guess in range(3):
            answer = conn.call(f"<body rid='1' sid='{guess:042x}' "
                               f"xmlns='{NB}'/>")
            assert answer.condition == "item-not-found"
        conn.send(f"<body rid='1' sid='{'0' * 42}' xmlns='{NB}'/>")
        assert conn.is_closed()
        assert limited(gateway, "unknown-sids-per-address") == 1
        # Who has one goes on, from the same address.
        session.log_in()


def test_I9_failed_logins_of_an_address_are_limited():
    with Gateway(FRUGAL, USER) as gateway:
        session = Session(gateway.port)
        for _ in range(2):
            answer = session.authenticate("PLAIN", "\0ann\0wrong")
            assert "not-authorized" in answer.body
        answer = Session(gateway.port).authenticate("PLAIN", "\0ann\0wonder")
        assert answer.condition == "policy-violation"
        Session(gateway.port).log_in()


def test_requests_of_an_address_are_limited_and_can_be_repeated():
    with Gateway("limit-loopback = yes\nrequests-per-address = 1") as gateway:
        session = Session(gateway.port)
        conn = Conn(gateway.port)
        for _ in range(30):
            conn.send(f"<body rid='1' sid='{'0' * 42}' xmlns='{NB}'/>")
            answer = conn.receive()
            if answer.status == 503:
                break
        assert answer.status == 503
        assert answer.header("Retry-After") == "1"
        assert limited(gateway, "requests-per-address") == 1
        # The session lost nothing: its next request is as good as before.
        session.rid += 1
        body = session.body(rid=session.rid, attrs="type='terminate'")

        def repeated():
            session.conns[0].send(body)
            answer = session.receive()
            return answer if answer.status == 200 else None

        assert until(repeated, 20).condition == ""
