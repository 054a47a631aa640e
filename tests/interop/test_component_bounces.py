"""What comes back: who is suspended, who is not, and how he gets what he missed."""

import pytest
from scripted import body
from servers import wait_until
from waft import Component

STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

# condition, error type, what it says, suspended after how many in a row
TABLE = [
    ("gone", "cancel", "gone", 1),
    ("item-not-found", "cancel", "gone", 1),
    ("jid-malformed", "modify", "gone", 1),
    ("service-unavailable", "cancel", "away", 3),
    ("recipient-unavailable", "wait", "away", 3),
    ("remote-server-timeout", "wait", "away", 3),
    ("resource-constraint", "wait", "away", 3),
    ("remote-server-not-found", "cancel", "unreachable", 3),
    ("forbidden", "auth", "refused", 1),
    ("not-allowed", "cancel", "refused", 1),
    ("not-authorized", "auth", "refused", 1),
    ("policy-violation", "modify", "refused", 1),
    ("subscription-required", "auth", "refused", 1),
    ("bad-request", "modify", "item", None),
    ("not-acceptable", "modify", "item", None),
    ("undefined-condition", "cancel", "item", None),
    ("internal-server-error", "wait", "trouble", None),
]


@pytest.fixture
def waft(scripted):
    made = []

    def make(component=""):
        made.append(Component(scripted, component=component))
        return made[0].start()

    yield make
    for each in made:
        print(each.read_log())
        each.close()


def bounce(scripted, jid, condition, kind="cancel", channel="news", item="x"):
    scripted.send(
        f"<message type='error' from='{jid}' to='{channel}@push.localhost' id='{item}'>"
        f"<error type='{kind}'><{condition} xmlns='{STANZAS}'/></error></message>")


def states(waft, channel="news"):
    return {each["jid"]: (each["state"], each.get("reason"))
            for each in waft.subscriptions(channel)}


def settle(scripted, name):
    """All that was sent before has been read, and what it led to is stored."""
    scripted.send(f"<iq type='get' id='{name}' from='x@localhost/x' to='push.localhost'>"
                  "<ping xmlns='urn:xmpp:ping'/></iq>")
    wait_until(lambda: scripted.count(f"id='{name}'") == 1, 20, "the answer")


def bounced(waft, says):
    return waft.metric(f'waft_component_bounces_total{{kind="{says}"}}')


def test_c8_1_each_condition_does_what_the_table_says(scripted, waft):
    one = waft()
    for i, _ in enumerate(TABLE):
        one.subscribe("news", f"u{i}@d{i}.localhost")
    for i, (condition, kind, says, often) in enumerate(TABLE):
        jid = f"u{i}@d{i}.localhost"
        before = bounced(one, says)
        for n in range(1, 5):
            bounce(scripted, jid, condition, kind)
            wait_until(lambda: bounced(one, says) == before + n, 20, condition)
            if often is not None and n >= often:
                wait_until(lambda: states(one)[jid] == ("suspended", condition), 20, condition)
                break
            settle(scripted, f"{condition}-{n}")
            assert states(one)[jid][0] == "active", (condition, n)
    # Those of no consequence for the receiver name the item.
    assert any("item=" in line for line in one.lines("component.item-refused"))


def test_c8_1_a_full_jid_that_is_not_there_ends_alone(scripted, waft):
    one = waft()
    for jid in ("alice@localhost/phone", "alice@localhost/desk", "alice@localhost"):
        one.subscribe("news", jid)
    bounce(scripted, "alice@localhost/phone", "service-unavailable")
    wait_until(lambda: states(one)["alice@localhost/phone"][0] == "suspended", 20)
    assert states(one)["alice@localhost/desk"][0] == "active"
    assert states(one)["alice@localhost"][0] == "active"


def test_c8_1_who_is_gone_is_gone_everywhere(scripted, waft):
    one = waft()
    for channel in ("news", "sport"):
        one.subscribe(channel, "alice@localhost")
        one.subscribe(channel, "bob@localhost")
    bounce(scripted, "alice@localhost", "gone")
    for channel in ("news", "sport"):
        wait_until(lambda: states(one, channel)["alice@localhost"][0] == "suspended", 20)
        assert states(one, channel)["bob@localhost"][0] == "active"


def test_c8_1_a_server_out_of_reach_is_so_for_all_its_users(scripted, waft):
    one = waft()
    users = [f"u{i}@far.example" for i in range(4)]
    for jid in users:
        one.subscribe("news", jid)
    for i, jid in enumerate(users):
        bounce(scripted, jid, "remote-server-not-found")
        wait_until(lambda: bounced(one, "unreachable") == i + 1, 20)
    for jid, wanted in zip(users, ("active", "active", "suspended", "suspended")):
        wait_until(lambda: states(one)[jid][0] == wanted, 20, f"{jid} {wanted}")


def test_c8_1_removal_takes_those_who_are_gone_not_those_who_are_away(scripted, waft):
    one = waft("bounce = remove")
    for jid in ("alice@localhost", "bob@localhost"):
        one.subscribe("news", jid)
    bounce(scripted, "alice@localhost", "item-not-found")
    for _ in range(3):
        bounce(scripted, "bob@localhost", "resource-constraint", "wait")
    wait_until(lambda: states(one) == {
        "bob@localhost": ("suspended", "resource-constraint")}, 20)


def test_c8_1_ignored_bounces_are_only_counted(scripted, waft):
    one = waft("bounce = ignore")
    one.subscribe("news", "alice@localhost")
    bounce(scripted, "alice@localhost", "gone")
    wait_until(lambda: bounced(one, "gone") == 1, 20)
    settle(scripted, "after")
    assert states(one)["alice@localhost"][0] == "active"


def test_c8_2_only_a_sign_of_life_ends_the_row(scripted, waft):
    one = waft()
    for jid in ("alice@localhost", "bob@localhost"):
        one.subscribe("news", jid)
        bounce(scripted, jid, "service-unavailable")
        bounce(scripted, jid, "service-unavailable")
    # Both get something, which nobody answers; alice shows that she is there.
    one.publish("news", body("hi"))
    one.wait_sent(2)
    scripted.send("<presence from='alice@localhost/x' to='news@push.localhost'/>")
    settle(scripted, "presence")
    for jid in ("alice@localhost", "bob@localhost"):
        bounce(scripted, jid, "service-unavailable")
    wait_until(lambda: states(one)["bob@localhost"][0] == "suspended", 20)
    settle(scripted, "after")
    assert states(one)["alice@localhost"][0] == "active"


def test_c8_3_a_bounce_is_answered_by_nothing(scripted, waft):
    one = waft()
    one.subscribe("news", "alice@localhost")
    for condition in ("gone", "service-unavailable", "bad-request"):
        for jid in ("alice@localhost", "eve@localhost"):
            bounce(scripted, jid, condition)
    settle(scripted, "after")
    assert scripted.count("type='error'") == 0
    assert [each["jid"] for each in one.subscriptions("news")] == ["alice@localhost"]


def test_c8_2_who_refused_is_not_woken_by_presence(scripted, waft):
    one = waft()
    one.subscribe("news", "alice@localhost")
    bounce(scripted, "alice@localhost", "forbidden", "auth")
    wait_until(lambda: states(one)["alice@localhost"][0] == "suspended", 20)
    scripted.send("<presence from='alice@localhost/x' to='news@push.localhost'/>")
    settle(scripted, "presence")
    assert states(one)["alice@localhost"][0] == "suspended"


def is_suspended(waft, jid):
    return states(waft).get(jid, ("",))[0] == "suspended"


@pytest.mark.parametrize("wakes", ["presence", "time", "operator"])
def test_c8_5_who_comes_back_gets_what_he_missed(server, user, component, wakes):
    """An account that is not there yet: both servers say what they say of one who
    is offline where nothing stores messages."""
    waft = component(component="bounce-retry = \"1s\"" if wakes == "time" else "")
    waft.subscribe("news", "carol@localhost")
    waft.publish("news", body(0), id="own-id")
    for i in range(1, 3):
        waft.publish("news", body(i))
    wait_until(lambda: is_suspended(waft, "carol@localhost"), 20, "suspended")
    reason = states(waft)["carol@localhost"][1]
    assert reason == "service-unavailable"
    for i in range(3, 6):
        waft.publish("news", body(i))
    carol = user("carol")
    if wakes == "presence":
        carol.send_presence(pto="news@push.localhost")
    elif wakes == "operator":
        waft.subscribe("news", "carol@localhost")
    carol.wait_for(lambda: "5" in carol.bodies(), 30, what="what she missed")
    waft.publish("news", body(6))
    carol.wait_for(lambda: "6" in carol.bodies())
    # Tried again just when the account was made, some came back and others did not;
    # then all come once more.
    got = carol.bodies()
    assert [each for i, each in enumerate(got) if each not in got[i + 1:]] == [
        str(i) for i in range(7)], got
    wait_until(lambda: states(waft)["carol@localhost"][0] == "active", 20)
    if wakes == "time":
        assert waft.metric("waft_component_woken_subscriptions_total") >= 1


def test_c8_5_a_restart_in_between_loses_nothing(server, user, component):
    waft = component()
    waft.subscribe("news", "carol@localhost")
    for i in range(3):
        waft.publish("news", body(i))
    wait_until(lambda: is_suspended(waft, "carol@localhost"), 20, "suspended")
    waft.kill()
    waft.start()
    waft.publish("news", body(3))
    carol = user("carol")
    carol.send_presence(pto="news@push.localhost")
    wait_until(lambda: waft.metric("waft_component_woken_subscriptions_total") == 1, 20)
    waft.kill()
    waft.start()
    waft.publish("news", body(4))
    carol.wait_for(lambda: "4" in carol.bodies(), 30)
    assert list(dict.fromkeys(carol.bodies())) == [str(i) for i in range(5)]
