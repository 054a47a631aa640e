"""The servers and users that the other interop tests stand on."""


def test_two_users_talk(server, user):
    alice, bob = user("alice"), user("bob")
    alice.send_raw(f"<message to='{bob.jid}' type='chat'><body>hi</body></message>")
    bob.wait_for(lambda: bob.bodies("chat") == ["hi"])


def test_an_offline_user_finds_the_message_after_a_restart(server, user):
    alice, bob = user("alice"), user("bob", connect=False)
    alice.send_raw("<message to='bob@localhost' type='chat'><body>hi</body></message>")
    alice.send_raw("<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    alice.disconnect()
    server.restart()
    bob.connect()
    bob.wait_for(lambda: bob.bodies("chat") == ["hi"])
