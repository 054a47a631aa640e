"""Who may log in, how, what that allows and when it ends (checklist I, RFC 5802)."""

import base64
import json
import signal
import statistics
import subprocess
import time

import pytest

from bosh import (BUILD, DOMAIN, NC, PUBSUB, SASL, STREAM, Conn, Gateway,
                  Session, until)
from scram import Scram, b64, exchange, log_in, sasl
from ws import Stream

HASHED = subprocess.run([BUILD / "bin" / "waft", "user", "hashed"], check=True,
                        input="pencil\n", text=True,
                        stdout=subprocess.PIPE).stdout
SECTIONS = f"""
user "ann" {{ password = "wonder"  publish = {{"news"}}  subscribe = {{"listed/a*"}} }}
{HASHED}
token "bob" {{ secret = "builder" }}
channels "listed/*" {{ subscribe = token }}
"""
JWT = 'token "shop" { kind = jwt key = "0123456789abcdef0123456789abcdef" }\n'


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=SECTIONS) as running:
        yield running


@pytest.fixture
def fresh(gateway):
    made = Session(gateway.port)
    yield made
    made.close()


def mechanisms(answer):
    return [found.text for found in answer.xml.iter(f"{{{SASL}}}mechanism")]


def failure(answer):
    found = answer.xml.find(f"{{{SASL}}}failure")
    return None if found is None else found[0].tag.split("}")[1]


def token(gateway, subject, ttl):
    return subprocess.run(
        [BUILD / "bin" / "waft", "token", "-c", gateway.config, "shop",
         "--subject", subject, "--ttl", ttl], check=True, text=True,
        stdout=subprocess.PIPE).stdout.strip()


def reload(gateway, change):
    before = gateway.log.read_text().count("event=reload")
    gateway.config.write_text(change(gateway.config.read_text()))
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.log.read_text().count("event=reload") > before)


def test_I7_the_strongest_mechanism_comes_first_and_none_binds_channels(fresh):
    assert mechanisms(fresh.created) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN",
                                         "ANONYMOUS"]


def test_I7_without_tls_no_password_is_asked_for():
    with Gateway("assume-secure = no", SECTIONS) as gateway:
        session = Session(gateway.port)
        assert mechanisms(session.created) == ["SCRAM-SHA-256", "SCRAM-SHA-1",
                                               "ANONYMOUS"]
        answer = session.authenticate("PLAIN", "\0ann\0wonder")
        assert failure(answer) == "invalid-mechanism"
        log_in(session, "SCRAM-SHA-256", "ann", "wonder")


def test_I7_scram_is_not_offered_where_a_jwt_may_be_the_password():
    with Gateway(sections=SECTIONS + JWT) as gateway:
        session = Session(gateway.port)
        assert mechanisms(session.created) == ["PLAIN", "OAUTHBEARER",
                                               "ANONYMOUS"]
        log_in(session, "SCRAM-SHA-1", "ann", "wonder")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("user,password", [
    ("ann", "wonder"), ("hashed", "pencil"), ("bob", "builder"),
    ("ann@" + DOMAIN, "wonder")])
def test_I7_scram_logs_in_users_and_tokens(fresh, mechanism, user, password):
    log_in(fresh, mechanism, user, password)
    assert fresh.jid.startswith(user.split("@")[0] + "@" + DOMAIN)


@pytest.mark.parametrize("user,password", [
    ("ann", "wonder"), ("hashed", "pencil"), ("bob", "builder")])
def test_I7_plain_logs_in_users_and_tokens(fresh, user, password):
    fresh.log_in("PLAIN", f"\0{user}\0{password}")


@pytest.mark.parametrize("user", ["ann", "hashed", "bob", "nobody", "a=20b",
                                  "ann@elsewhere"])
def test_I9_a_wrong_password_and_a_stranger_look_the_same(fresh, user):
    scram = Scram("SCRAM-SHA-256", user.replace("=20", "=3D20"), "wrong")
    assert failure(exchange(fresh, scram)) == "not-authorized"
    assert scram.fields["i"] == "4096" and len(scram.fields["s"]) == 24
    again = Scram("SCRAM-SHA-256", user.replace("=20", "=3D20"), "wrong")
    exchange(fresh, again)
    assert scram.fields["s"] == again.fields["s"]


@pytest.mark.parametrize("user", ["ann", "hashed", "bob", "nobody",
                                  "ann@elsewhere"])
def test_I9_plain_says_the_same_of_both(fresh, user):
    assert failure(fresh.authenticate("PLAIN", f"\0{user}\0wrong")) == \
        "not-authorized"


def plain_seconds(gateway, user):
    session = Session(gateway.port)
    begin = time.monotonic()
    session.authenticate("PLAIN", f"\0{user}\0wrong")
    took = time.monotonic() - begin
    session.close()
    return took


def test_I9_a_stranger_s_answer_takes_as_long(gateway):
    """A PBKDF2 takes some ten times what all else does."""
    times = {user: statistics.median(plain_seconds(gateway, user)
                                     for _ in range(5))
             for user in ("ann", "hashed", "nobody")}
    assert max(times.values()) < 10 * min(times.values()), times


def test_I9_salts_stay_through_a_restart(gateway):
    def salts():
        session = Session(gateway.port)
        found = []
        for user in ("ann", "nobody"):
            scram = Scram("SCRAM-SHA-1", user, "wrong")
            exchange(session, scram)
            found.append(scram.fields["s"])
        session.close()
        return found

    before = salts()
    assert gateway.stop() == 0
    gateway.start()
    assert salts() == before


@pytest.mark.parametrize("first", ["p=tls-unique,,n=ann,r=abc", "n,,n=ann",
                                   "n,,r=abc,n=ann", "n,,m=x,n=ann,r=abc",
                                   "n,,n=ann=2,r=abc", ""])
def test_I8_malformed_scram_is_named(fresh, first):
    answer = fresh.call(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-1'>"
                        f"{b64(first) or '='}</auth>")
    assert failure(answer) == "malformed-request"


def test_I8_scram_without_an_initial_response_is_asked_for_it(fresh):
    scram = Scram("SCRAM-SHA-256", "ann", "wonder")
    answer = fresh.call(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'/>")
    assert sasl(answer, "challenge") == ""
    answer = fresh.call(
        f"<response xmlns='{SASL}'>{b64(scram.first())}</response>")
    answer = fresh.call(f"<response xmlns='{SASL}'>"
                        f"{b64(scram.last(sasl(answer, 'challenge')))}"
                        "</response>")
    assert sasl(answer, "success") == scram.wanted


def test_I8_a_proof_is_good_once(fresh):
    scram = Scram("SCRAM-SHA-256", "ann", "wonder")
    answer = fresh.call(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>"
                        f"{b64(scram.first())}</auth>")
    last = scram.last(sasl(answer, "challenge"))
    fresh.call(f"<abort xmlns='{SASL}'/>")
    fresh.call(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>"
               f"{b64(scram.first())}</auth>")
    answer = fresh.call(f"<response xmlns='{SASL}'>{b64(last)}</response>")
    assert failure(answer) == "not-authorized"


def subscribes(session, channel):
    answer = session.call(
        f"<iq xmlns='{NC}' type='set' id='s' to='{DOMAIN}'><pubsub "
        f"xmlns='{PUBSUB}'><subscribe node='{channel}' jid='{session.jid}'/>"
        "</pubsub></iq>")
    return answer.xml.find(f"{{{NC}}}iq").get("type") == "result"


def test_a_user_subscribes_what_his_patterns_allow(fresh):
    log_in(fresh, "SCRAM-SHA-256", "ann", "wonder")
    assert subscribes(fresh, "listed/ab")
    assert not subscribes(fresh, "listed/b")
    assert subscribes(fresh, "open")


def stream_error(answer):
    error = answer.xml.find(f"{{{STREAM}}}error")
    assert error is not None, answer.body
    assert answer.condition == "remote-stream-error"
    return error[0].tag.split("}")[1], error[1].text


def short_lived(gateway, log_in):
    """A session that log_in() makes with a JWT that soon expires, and the JWT;
    with a longer one where the machine is slow."""
    for seconds in (2, 4, 8, 16):
        text = token(gateway, "carol", f"{seconds}s")
        try:
            return log_in(text), text
        except AssertionError:
            pass
    raise AssertionError("no login within 16 s")


def by_bosh(gateway):
    return lambda text: Session(gateway.port).log_in("PLAIN",
                                                     f"\0carol\0{text}")


def test_J10_a_session_ends_with_its_token():
    with Gateway(sections=JWT) as gateway:
        session, text = short_lived(gateway, by_bosh(gateway))
        answer = session.call()
        assert stream_error(answer) == ("not-authorized",
                                        "the token has expired")
        assert session.call().condition == "item-not-found"
        assert gateway.metric("waft_bosh_expired_total") == 1
        assert "event=bosh.expired" in gateway.log.read_text()
        answer = Session(gateway.port).authenticate("PLAIN", f"\0carol\0{text}")
        assert failure(answer) == "not-authorized"


def test_a_websocket_session_ends_with_its_token():
    with Gateway(sections=JWT) as gateway:
        stream, _ = short_lived(gateway, lambda text: Stream(
            gateway.port).log_in("PLAIN", f"\0carol\0{text}"))
        assert stream.error() == "not-authorized"
        assert gateway.metric("waft_bosh_expired_total") == 1
        stream.close()


def test_a_session_that_survives_a_restart_gets_no_more_than_its_login():
    """Whose user is another, or whose token expired while nothing ran, does not
    come back."""
    with Gateway(sections=SECTIONS + JWT, engine="sqlite") as gateway:
        ann = log_in(Session(gateway.port), "SCRAM-SHA-1", "ann", "wonder")
        bob = log_in(Session(gateway.port), "SCRAM-SHA-1", "bob", "builder")
        carol, text = short_lived(gateway, by_bosh(gateway))
        assert gateway.stop() == 0
        gateway.config.write_text(gateway.config.read_text().replace(
            "wonder", "changed"))
        claims = text.split(".")[1]
        end = json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"]
        until(lambda: time.time() > end, 20)
        gateway.start()
        for session in (ann, bob, carol):
            session.conns = [Conn(gateway.port), Conn(gateway.port)]
        assert ann.call().condition == "item-not-found"
        assert carol.call().condition == "item-not-found"
        assert subscribes(bob, "listed/b")


def test_J10_sighup_ends_the_sessions_of_whom_it_removes():
    with Gateway(sections=SECTIONS) as gateway:
        kept = log_in(Session(gateway.port), "SCRAM-SHA-1", "bob", "builder")
        kept.send()
        gone = [log_in(Session(gateway.port), "SCRAM-SHA-1", "ann", "wonder"),
                log_in(Session(gateway.port), "SCRAM-SHA-1", "hashed", "pencil")]
        for session in gone:
            session.send()
        reload(gateway, lambda text: text.replace('user "hashed"', 'user "other"')
               .replace("wonder", "changed"))
        for session in gone:
            assert stream_error(session.receive()) == (
                "not-authorized", "the token or user is no longer valid")
        assert not kept.conns[0].has_answer()
        assert gateway.metric("waft_bosh_revoked_total") == 2
        log_in(Session(gateway.port), "SCRAM-SHA-256", "ann", "changed")


def test_sighup_during_an_exchange_does_not_let_the_removed_in():
    with Gateway(sections=SECTIONS) as gateway:
        session = Session(gateway.port)
        scram = Scram("SCRAM-SHA-256", "ann", "wonder")
        answer = session.call(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>"
                              f"{b64(scram.first())}</auth>")
        last = scram.last(sasl(answer, "challenge"))
        reload(gateway, lambda text: text.replace("wonder", "changed"))
        # Which worker has the session is not known; both have the new one
        # once a new password is taken on both.
        for _ in range(8):
            until(lambda: sasl(exchange(
                Session(gateway.port),
                Scram("SCRAM-SHA-256", "ann", "changed")), "success"))
        answer = session.call(f"<response xmlns='{SASL}'>{b64(last)}</response>")
        assert failure(answer) == "not-authorized"


@pytest.mark.parametrize("section,why", [
    ('user "a" { }', "needs a password"),
    ('user "a" { password = x }\nuser "A" { password = y }', "another of that"),
    ('bosh { mechanisms = {"PLAINER"} }', 'did you mean "PLAIN"')])
def test_a_user_that_cannot_be_is_refused_at_the_start(tmp_path, section, why):
    config = tmp_path / "waft.conf"
    config.write_text('store { engine = memory }\nbosh { listen = '
                      '{"127.0.0.1:0"} control = "127.0.0.1:0" }\n' + section)
    ended = subprocess.run([BUILD / "bin" / "waft-bosh", "-c", config],
                           stderr=subprocess.PIPE, text=True, timeout=30)
    assert ended.returncode == 78
    assert why in ended.stderr


def waft_user(*arguments, password="pencil\n"):
    return subprocess.run([BUILD / "bin" / "waft", "user", *arguments],
                          input=password, capture_output=True, text=True,
                          timeout=30)


def test_waft_user_makes_another_salt_each_time_and_shows_no_password():
    first, second = waft_user("ann"), waft_user("ann", "--iterations", "10000")
    assert first.returncode == second.returncode == 0
    assert first.stdout.startswith('user "ann" {')
    assert '"4096:' in first.stdout and '"10000:' in second.stdout
    assert first.stdout.split(":")[1] != second.stdout.split(":")[1]
    assert "pencil" not in first.stdout + first.stderr


@pytest.mark.parametrize("arguments,password,code", [
    ((), "x\n", 64), (("a@b",), "x\n", 64), (("a b",), "x\n", 64),
    (("ann", "--iterations", "1"), "x\n", 64), (("ann",), "\n", 65),
    (("ann",), "", 65), (("ann",), "a\x07b\n", 65)])
def test_waft_user_refuses_what_cannot_be(arguments, password, code):
    ended = waft_user(*arguments, password=password)
    assert ended.returncode == code, ended
    assert ended.stdout == ""
