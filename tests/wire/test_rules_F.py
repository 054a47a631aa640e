"""BOSH rules, section F: key sequencing (tests/rules/bosh.txt)."""

import hashlib
import subprocess

import pytest

from bosh import BUILD, Gateway, Session, sha1

# Has an answer each time and ends nothing.
SAY = "<enable xmlns='urn:xmpp:sm:3'/>"


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as running:
        yield running


def chain(seed, length):
    """The keys in the order they are used; the first is the newkey."""
    keys = [sha1(seed)]
    for _ in range(length):
        keys.append(sha1(keys[-1]))
    return keys[::-1]


@pytest.fixture
def keyed(gateway):
    keys = chain("seed", 8)
    session = Session(gateway.port, attrs=f"newkey='{keys[0]}'")
    session.keys = keys[1:]
    yield session
    session.close()


def test_F1_a_chain_is_followed(keyed):
    for key in keyed.keys[:5]:
        assert "<failed" in keyed.call(SAY, attrs=f"key='{key}'").body


@pytest.mark.parametrize("attrs", [
    "", "key=''", "key='wrong'", "key='{1}'", "newkey='{0}'"])
def test_F1_a_key_that_is_missing_or_wrong_ends_the_session(keyed, attrs):
    answer = keyed.call(SAY, attrs=attrs.format(*keyed.keys))
    assert answer.condition == "item-not-found"
    assert "<failed" not in answer.body
    assert keyed.call(SAY, attrs=f"key='{keyed.keys[0]}'"
                      ).condition == "item-not-found"


def test_F1_a_used_key_is_worth_nothing(keyed):
    keyed.call(SAY, attrs=f"key='{keyed.keys[0]}'")
    assert keyed.call(SAY, attrs=f"key='{keyed.keys[0]}'"
                      ).condition == "item-not-found"


def test_F1_the_hash_may_be_written_in_capitals(gateway):
    keys = chain("other", 2)
    session = Session(gateway.port, attrs=f"newkey='{keys[0].upper()}'")
    assert "<failed" in session.call(SAY, attrs=f"key='{keys[1]}'").body
    session.close()


def test_F1_a_new_chain_takes_over(keyed):
    fresh = chain("fresh", 3)
    answer = keyed.call(SAY, attrs=f"key='{keyed.keys[0]}' newkey='{fresh[0]}'")
    assert "<failed" in answer.body
    assert "<failed" in keyed.call(SAY, attrs=f"key='{fresh[1]}'").body
    assert keyed.call(SAY, attrs=f"key='{keyed.keys[1]}'"
                      ).condition == "item-not-found"


def test_F1_an_early_request_waits_for_the_key_before_its_own(keyed):
    first = keyed.body(SAY, attrs=f"key='{keyed.keys[0]}'", rid=keyed.rid + 1)
    second = keyed.body(SAY, attrs=f"key='{keyed.keys[1]}'", rid=keyed.rid + 2)
    keyed.conns[1].send(second)
    assert not keyed.conns[1].has_answer(0.05)
    assert "<failed" in keyed.conns[0].call(first).body


def test_F2_a_key_in_a_session_without_keys_means_nothing(gateway):
    session = Session(gateway.port)
    assert "<failed" in session.call(SAY, attrs="key='any'").body
    assert "<failed" in session.call(SAY, attrs="key='other' newkey='x'").body
    repeat = session.body(SAY, attrs="key='third'", rid=session.rid)
    assert "<failed" in session.conns[1].call(repeat).body
    session.close()


@pytest.mark.parametrize("attrs", ["", "key='{1}'", "key='wrong'"])
def test_F3_a_repeat_without_its_key_is_told_nothing(keyed, attrs):
    answer = keyed.call(SAY, attrs=f"key='{keyed.keys[0]}'")
    good = keyed.body(SAY, attrs=f"key='{keyed.keys[0]}'", rid=keyed.rid)
    assert keyed.conns[1].call(good).body == answer.body
    bad = keyed.body(SAY, attrs=attrs.format(*keyed.keys), rid=keyed.rid)
    assert keyed.conns[1].call(bad).condition == "item-not-found"


def test_F4_no_other_hash_is_taken(gateway):
    key = "k" * 40
    digest = hashlib.sha256(key.encode()).hexdigest()
    session = Session(gateway.port, attrs=f"newkey='{digest[:40]}'")
    assert session.call(SAY, attrs=f"key='{key}'").condition == "item-not-found"
    session.close()
    session = Session(gateway.port, attrs=f"newkey='{digest}'")
    assert session.created.condition == "bad-request"
    session.close()


def test_F5_keys_are_compared_by_the_function_that_takes_constant_time():
    """And that one is OpenSSL's (common/base/crypto.c)."""
    def calls(name):
        symbols = subprocess.run(["nm", "-u", BUILD / "obj" / name],
                                 capture_output=True, text=True, check=True)
        return {line.split()[-1] for line in symbols.stdout.splitlines()}

    keys = calls("bosh/keys.o")
    assert "crypto_equal" in keys and not keys & {"memcmp", "strcmp", "bcmp"}
    assert "CRYPTO_memcmp" in calls("common/base/crypto.o")
