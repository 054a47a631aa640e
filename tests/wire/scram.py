"""The client's side of SCRAM (RFC 5802), to try the gateway's with."""

import base64
import hashlib
import hmac
import os

from bosh import SASL

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}


def b64(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.b64encode(data).decode()


class Scram:
    """One exchange: what a client says, and whether it believes the server."""

    def __init__(self, mechanism, user, password, gs2="n,,"):
        self.mechanism = mechanism
        self.hash = HASHES[mechanism]
        self.password = password.encode()
        self.gs2 = gs2
        self.bare = f"n={user},r={b64(os.urandom(12))}"

    def mac(self, key, text):
        return hmac.digest(key, text, self.hash)

    def first(self):
        return self.gs2 + self.bare

    def last(self, challenge):
        self.fields = dict(part.split("=", 1) for part in challenge.split(","))
        assert self.fields["r"].startswith(self.bare.split(",r=")[1])
        salted = hashlib.pbkdf2_hmac(
            self.hash, self.password, base64.b64decode(self.fields["s"]),
            int(self.fields["i"]))
        key = self.mac(salted, b"Client Key")
        final = f"c={b64(self.gs2)},r={self.fields['r']}"
        message = f"{self.bare},{challenge},{final}".encode()
        signature = self.mac(hashlib.new(self.hash, key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.wanted = "v=" + b64(self.mac(
            self.mac(salted, b"Server Key"), message))
        return f"{final},p={b64(proof)}"


def sasl(answer, name):
    """The text of that SASL element, decoded; None when it is not there."""
    found = answer.xml.find(f"{{{SASL}}}{name}")
    return None if found is None else base64.b64decode(found.text or "").decode()


def exchange(session, scram):
    """Both messages; the last answer."""
    answer = session.call(f"<auth xmlns='{SASL}' mechanism='{scram.mechanism}'>"
                          f"{b64(scram.first())}</auth>")
    challenge = sasl(answer, "challenge")
    if challenge is None:
        return answer
    return session.call(f"<response xmlns='{SASL}'>"
                        f"{b64(scram.last(challenge))}</response>")


def log_in(session, mechanism, user, password):
    scram = Scram(mechanism, user, password)
    answer = exchange(session, scram)
    assert sasl(answer, "success") == scram.wanted, answer.body
    session.restart()
    session.bind()
    return session
