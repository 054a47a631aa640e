/*
 * A client made of gloox's BOSH connection as it is: subscribes to a channel,
 * prints each message's body, and disconnects after so many.
 *
 * usage: gloox_client PORT MODE DOMAIN USER PASSWORD CHANNEL COUNT
 * MODE is pipelining, http10, http11, or pipelining-tls (any certificate will
 * do); an empty USER logs in as nobody.
 */
#include <cstdlib>
#include <iostream>
#include <string>

#include <gloox/client.h>
#include <gloox/connectionbosh.h>
#include <gloox/connectionlistener.h>
#include <gloox/connectiontcpclient.h>
#include <gloox/connectiontls.h>
#include <gloox/iqhandler.h>
#include <gloox/message.h>
#include <gloox/messagehandler.h>
#include <gloox/stanzaextension.h>

using namespace gloox;

class Subscribe : public StanzaExtension {
public:
	Subscribe(const std::string &channel, const std::string &jid)
	    : StanzaExtension(ExtUser + 1), channel_(channel), jid_(jid)
	{
	}
	const std::string &filterString() const override
	{
		return EmptyString;
	}
	StanzaExtension *newInstance(const Tag *) const override
	{
		return nullptr;
	}
	Tag *tag() const override
	{
		Tag *pubsub = new Tag("pubsub");
		Tag *subscribe = new Tag(pubsub, "subscribe");

		pubsub->setXmlns("http://jabber.org/protocol/pubsub");
		subscribe->addAttribute("node", channel_);
		subscribe->addAttribute("jid", jid_);
		return pubsub;
	}
	StanzaExtension *clone() const override
	{
		return new Subscribe(*this);
	}

private:
	std::string channel_, jid_;
};

class Listener : public MessageHandler, ConnectionListener, IqHandler {
public:
	Listener(Client &client, const std::string &channel, int count)
	    : client_(client), channel_(channel), left_(count)
	{
		client.registerMessageHandler(this);
		client.registerConnectionListener(this);
	}
	void onConnect() override
	{
		IQ iq(IQ::Set, JID(client_.jid().server()), client_.getID());

		std::cout << "connected " << client_.jid().full() << std::endl;
		iq.addExtension(
		    new Subscribe(channel_, client_.jid().full()));
		client_.send(iq, this, 0);
	}
	void onDisconnect(ConnectionError) override { }
	bool onTLSConnect(const CertInfo &) override
	{
		return false;
	}
	bool handleIq(const IQ &) override
	{
		return false;
	}
	void handleIqID(const IQ &iq, int) override
	{
		std::cout << (iq.subtype() == IQ::Result ? "subscribed" :
		                                           "refused")
			  << std::endl;
	}
	void handleMessage(const Message &message, MessageSession *) override
	{
		std::cout << message.body() << std::endl;
		if (--left_ == 0)
			client_.disconnect();
	}

private:
	Client &client_;
	std::string channel_;
	int left_;
};

static ConnectionBOSH::ConnMode
mode_named(const std::string &name)
{
	return name.find("pipelining") == 0 ? ConnectionBOSH::ModePipelining :
	    name == "http10"        ? ConnectionBOSH::ModeLegacyHTTP :
				      ConnectionBOSH::ModePersistentHTTP;
}

static ConnectionBase *
connection_named(const std::string &name, int port, const LogSink &log)
{
	ConnectionBase *plain = new ConnectionTCPClient(log, "127.0.0.1", port);

	return name == "pipelining-tls" ? new ConnectionTLS(plain, log) : plain;
}

int
main(int argc, char **argv)
{
	if (argc != 8)
		return 2;
	const int port = std::atoi(argv[1]);
	const std::string domain = argv[3], user = argv[4];
	Client client = user.empty() ?
	    Client(domain) :
	    Client(JID(user + "@" + domain + "/gloox"), argv[5]);
	Listener listener(client, argv[6], std::atoi(argv[7]));
	ConnectionBOSH *bosh = new ConnectionBOSH(&client,
	    connection_named(argv[2], port, client.logInstance()),
	    client.logInstance(), "127.0.0.1", domain, port);

	bosh->setMode(mode_named(argv[2]));
	client.setConnectionImpl(bosh);
	client.setTls(TLSDisabled);
	client.setCompression(false);
	client.connect(true);
	return client.authError() == AuthErrorUndefined ? 0 : 1;
}
