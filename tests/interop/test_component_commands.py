"""Ad-hoc commands (XEP-0050) as slixmpp's own workflow runs them."""

import asyncio
import signal

import pytest
from slixmpp.exceptions import IqError
from servers import wait_until
from users import CLIENT

SERVICE = "push.localhost"
PLUGINS = ("xep_0004", "xep_0030", "xep_0050", "xep_0059")
OPERATORS = 'operators = {"boss@localhost"}'


class Command:
    """One execution: begin() and go() give the answer's stanza."""

    def __init__(self, user, node, jid=SERVICE):
        self.user, self.node, self.jid = user, f"waft#{node}", jid
        self.session = None

    def begin(self):
        return self.user.call(self.run(lambda plugin: plugin.start_command(
            self.jid, self.node, self.session)))

    def go(self, how, **values):
        return self.user.call(self.run(lambda plugin: self.step(plugin, how, values)))

    def step(self, plugin, how, values):
        if values:
            form = self.user.client["xep_0004"].make_form("submit")
            for name, value in values.items():
                form.add_field(var=name, value=value)
            self.session["payload"] = form
        else:
            self.session["payload"] = None
        getattr(plugin, how)(self.session)

    async def run(self, start):
        answered = asyncio.get_running_loop().create_future()

        def keep(iq, session):
            self.session = session
            answered.set_result(iq)

        self.session = {**(self.session or {}), "next": keep, "error": keep}
        start(self.user.client["xep_0050"])
        return await asyncio.wait_for(answered, 20)


def notes(iq):
    return [text for _, text in iq["command"]["notes"]]


def nodes(user, jid=SERVICE):
    iq = user.ask(lambda c: c["xep_0050"].get_commands(jid))
    return {node.removeprefix("waft#") for _, node, _ in iq["disco_items"]["items"]}


def test_c5_6_c5_11_anyone_finds_joins_and_leaves_a_channel(server, user, component):
    waft = component(conf='channels "secret*" { subscribe = none }')
    alice = user("alice", plugins=PLUGINS)
    for channel in ("news", "weather", "secret"):
        waft.publish(channel, "<message><body>before</body></message>")
    info = alice.ask(lambda c: c["xep_0030"].get_info(SERVICE))
    assert "http://jabber.org/protocol/commands" in info["disco_info"]["features"]
    assert nodes(alice) == {"list", "subscribe", "unsubscribe", "subscriptions"}
    answer = Command(alice, "list").begin()
    assert answer["command"]["status"] == "completed"
    assert [row["channel"] for row in answer["command"]["form"]["items"]] == [
        "news", "weather"]
    join = Command(alice, "subscribe")
    answer = join.begin()
    assert answer["command"]["status"] == "executing"
    assert set(answer["command"]["actions"]) == {"complete"}
    assert "channel" in answer["command"]["form"].get_fields()
    answer = join.go("complete_command", channel="news")
    assert notes(answer) == ["You are subscribed to news"]
    assert nodes(alice, "weather@" + SERVICE) == {"subscribe", "unsubscribe"}
    answer = Command(alice, "subscribe", "weather@" + SERVICE).begin()
    assert notes(answer) == ["You are subscribed to weather"]
    assert [s["jid"] for s in waft.subscriptions("weather")] == [alice.bare]
    for channel in ("news", "weather"):
        waft.publish(channel, f"<message type='chat'><body>{channel}</body></message>")
    alice.wait_for(lambda: sorted(alice.bodies("chat")) == ["news", "weather"])
    answer = Command(alice, "subscriptions").begin()
    assert len(answer["command"]["form"]["items"]) == 2
    leave = Command(alice, "unsubscribe")
    choices = [option["value"] for option in
               leave.begin()["command"]["form"].get_fields()["subscriptions"]["options"]]
    answer = leave.go("complete_command", subscriptions=choices)
    assert notes(answer) == ["2 subscriptions ended"]
    assert waft.subscriptions("news") == waft.subscriptions("weather") == []
    answer = Command(alice, "subscribe", "secret@" + SERVICE).begin()
    assert answer["command"]["notes"][0][0] == "error"


def test_c5_6_operators_publish_and_look(server, user, component):
    waft = component(component=OPERATORS)
    boss, alice = user("boss", plugins=PLUGINS), user("alice", plugins=PLUGINS)
    waft.subscribe("news", alice.bare)
    assert {"publish", "subscribers", "statistics"} <= nodes(boss)
    for node in ("publish", "subscribers", "statistics"):
        with pytest.raises(IqError) as refused:
            alice.ask(lambda c, name=node: c["xep_0050"].send_command(
                SERVICE, f"waft#{name}"))
        assert refused.value.condition == "forbidden"
    publish = Command(boss, "publish")
    publish.begin()
    answer = publish.go("complete_command", channel="news", format="stanza",
                        content="<message><broken></message>")
    assert answer["command"]["status"] == "executing"
    assert answer["command"]["notes"][0][0] == "error"
    answer = publish.go("complete_command", channel="news", format="stanza",
                        content="<message type='chat'><body>raw</body></message>")
    assert notes(answer)[0].startswith("Published as ")
    Command(boss, "publish", "news@" + SERVICE).begin()
    for kind, content in (("text", "hello"), ("json", '{"n":1}')):
        publish = Command(boss, "publish")
        publish.begin()
        publish.go("complete_command", channel="news", format=kind, content=content)
    alice.wait_for(lambda: len(alice.messages) == 3)
    assert [m.findtext(CLIENT + "body") for m in alice.messages] == ["raw", "hello", None]
    assert alice.messages[2].findtext(".//{urn:xmpp:json:0}json") == '{"n":1}'
    answer = Command(boss, "subscribers", "news@" + SERVICE).begin()
    assert [row["jid"] for row in answer["command"]["form"]["items"]] == [alice.bare]
    answer = Command(boss, "statistics").begin()
    values = answer["command"]["form"].get_values()
    assert values["up"] == "yes" and values["subscriptions"] == "1"
    assert int(values["waft_component_sent_stanzas_total"]) >= 3


def test_c5_6_who_is_an_operator_is_read_anew(server, user, component):
    waft, boss = component(), user("boss", plugins=PLUGINS)
    assert "publish" not in nodes(boss)
    waft.conf.write_text(waft.conf.read_text().replace(
        'reconnect = "1s"', f'reconnect = "1s"  {OPERATORS}'))
    waft.process.send_signal(signal.SIGHUP)
    wait_until(lambda: waft.lines("reload"), 20, "the reload")
    assert "publish" in nodes(boss)
    assert not waft.lines("component.reload")


def test_c5_6_a_command_goes_by_pages_and_is_called_off(server, user, component):
    waft, alice = component(), user("alice", plugins=PLUGINS)
    status, text = waft.request("POST", "/publish/", {"items": [
        {"channel": f"c{i:03}", "json-object": i} for i in range(120)]})
    assert status == 200, text
    pages = Command(alice, "list")

    def first(answer):
        return answer["command"]["form"]["items"][0]["channel"]

    assert first(pages.begin()) == "c000"
    assert first(pages.go("continue_command")) == "c050"
    answer = pages.go("continue_command")
    assert first(answer) == "c100"
    assert set(answer["command"]["actions"]) == {"prev", "complete"}
    answer = pages.go("cancel_command")
    assert answer["command"]["status"] == "canceled"
    answer = pages.go("continue_command")
    assert answer["type"] == "error"
    assert answer.xml.find(".//{http://jabber.org/protocol/commands}session-expired") \
        is not None
