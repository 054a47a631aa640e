// A client made of stanza.js as it is: subscribes to a channel, prints each message's
// body, and disconnects after so many.
//
// usage: stanza_client.js TRANSPORT URL DOMAIN USER PASSWORD CHANNEL COUNT
// TRANSPORT is bosh or websocket; an empty USER logs in as nobody.
"use strict";

const XMPP = require("stanza");
const [transport, url, domain, user, password, channel, count] =
  process.argv.slice(2);
const transports = { bosh: false, websocket: false };
let left = Number(count);

transports[transport] = url;
const client = XMPP.createClient({
  server: domain,
  ...(user && { jid: `${user}@${domain}/stanza`, password }),
  transports,
});

// It takes the first mechanism of its own list, in which ANONYMOUS is the last.
if (!user)
  for (const name of ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "OAUTHBEARER"])
    client.sasl.disable(name);

client.on("session:started", async () => {
  console.log("connected", client.jid);
  try {
    await client.subscribeToNode(domain, { jid: client.jid, node: channel });
    console.log("subscribed");
  } catch (error) {
    console.log("refused", JSON.stringify(error));
  }
});
client.on("message", (message) => {
  console.log(message.body);
  if (--left === 0)
    client.disconnect();
});
client.on("auth:failed", () => process.exit(1));
client.on("stream:error", (error) => console.log("error", JSON.stringify(error)));
client.on("disconnected", () => process.exit(0));
client.connect();
