"""What the operator says of a channel's node, and what users then may."""

import pytest

from bosh import DOMAIN, NC, PUBSUB, Api, Gateway, Session, until

SECTIONS = """
token "writer" { kind = basic  secret = "pw"  publish = {"none"} }
"""


@pytest.fixture(scope="module")
def gateway():
    with Gateway(sections=SECTIONS) as running:
        yield running


@pytest.fixture
def api(gateway):
    return Api(gateway.control)


def ask(session, verb, ident, kind="set", more=""):
    """The answer to a pubsub request."""
    stanzas = list(session.call(
        f"<iq xmlns='{NC}' type='{kind}' id='{ident}' to='{DOMAIN}'>"
        f"<pubsub xmlns='{PUBSUB}{more}'>{verb}</pubsub></iq>").xml)

    def look():
        found = [each for each in stanzas
                 if each.tag == f"{{{NC}}}iq" and each.get("id") == ident]
        if not found:
            stanzas.extend(session.call().xml)
        return found

    return until(look)[0]


def test_the_operator_gives_roles_and_users_have_them(gateway, api):
    assert api.call("GET", "/channels/club/node/").status == 404
    said = {"title": "Club", "access": "whitelist",
            "affiliations": {f"Writer@{DOMAIN}": "owner"}}
    answer = api.json("PUT", "/channels/club/node/", said)
    assert answer["affiliations"] == {f"writer@{DOMAIN}": "owner"}
    assert api.json("GET", "/channels/club/node/") == answer
    writer = Session(gateway.port).log_in("PLAIN", "\0writer\0pw")
    guest = Session(gateway.port).log_in()
    item = "<publish node='club'><item id='1'><a xmlns='u'/></item></publish>"
    assert ask(writer, item, "p").get("type") == "result"
    assert ask(guest, item, "p").get("type") == "error"
    assert ask(guest, "<items node='club'/>", "i", "get").get("type") == "error"
    assert ask(writer, "<configure node='club'/>", "c", "get", "#owner").get(
        "type") == "result"
    api.json("PUT", "/channels/club/node/", {"publish": "publishers"})
    assert ask(writer, "<configure node='club'/>", "d", "get", "#owner").get(
        "type") == "error"
    writer.close()
    guest.close()


@pytest.mark.parametrize("body, field", [
    ("[]", "Body"), ("{", "Body"), ({"bogus": 1}, "bogus"), ({"title": 1}, "title"),
    ({"title": "x" * 1025}, "title"), ({"access": "roster"}, "access"),
    ({"send-last": "yes"}, "send-last"), ({"affiliations": []}, "affiliations"),
    ({"affiliations": {"@": "owner"}}, "affiliations"),
    ({"affiliations": {"a@b": "king"}}, "affiliations")])
def test_bad_nodes_are_refused_by_name_and_change_nothing(api, body, field):
    answer = api.call("PUT", "/channels/bad/node/", body, Accept="application/json")
    assert answer.status == 400
    assert field in answer.text
    assert api.call("GET", "/channels/bad/node/").status == 404
