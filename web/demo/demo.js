// The demo page: an unmodified strophe.js over BOSH on one side, the publish API on
// the other.  The URL may say ?channel=NAME&control=http://127.0.0.1:5561.
"use strict";

/* global Strophe, $iq */
const params = new URLSearchParams(location.search);
const channel = params.get("channel") || "demo";
const control = params.get("control") ||
  `${location.protocol}//${location.hostname}:5561`;
const domain = params.get("domain") || "bosh.push.example.org";
const by = (id) => document.getElementById(id);
const NS_PUBSUB = "http://jabber.org/protocol/pubsub";
const SHOWN_MAX = 50;

const sent = new Map();    // position -> time of the click
const arrived = new Map(); // stanza id -> its latency field and time of arrival
let count = 0;

function setState(state, text) {
  by("state").dataset.state = state;
  by("connection").textContent = text;
}

function setLatency(field, from, to) {
  field.textContent = `${(to - from).toFixed(1)} ms`;
}

function show(stanza, now) {
  const id = stanza.getAttribute("id") || "";
  const row = document.createElement("li");
  const head = document.createElement("div");
  const time = document.createElement("span");
  const latency = document.createElement("span");
  const code = document.createElement("code");

  head.className = "head";
  time.textContent = `${new Date().toLocaleTimeString()}  ${id}`;
  latency.className = "latency";
  code.textContent = new XMLSerializer().serializeToString(stanza);
  head.append(time, latency);
  row.append(head, code);
  by("items").prepend(row);
  while (by("items").children.length > SHOWN_MAX)
    by("items").lastChild.remove();
  by("empty").hidden = true;
  by("count").textContent = ++count;
  if (sent.has(id))
    setLatency(latency, sent.get(id), now);
  else
    arrived.set(id, { latency, now });
}

async function publish(event) {
  event.preventDefault();
  const answer = by("answer");
  const start = performance.now();

  by("publish").disabled = true;
  answer.className = "";
  try {
    const response = await fetch(`${control}/publish/`, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: JSON.stringify({ items: [{
        channel,
        formats: { "xmpp-stanza": { content: by("stanza").value } },
      }] }),
    });
    const body = await response.json();
    if (!response.ok)
      throw new Error(body.detail || body.error);
    noteSent(by("stanza").value, body.items[0].position, start);
    answer.textContent = `stored as ${body.items[0].position}`;
  } catch (error) {
    answer.className = "bad";
    answer.textContent = error.message;
  }
  by("publish").disabled = false;
}

// The copy a listener gets has the publisher's id or, if there is none, the
// item's position.  It may be here before the publisher's answer.
function noteSent(text, position, start) {
  const own = new DOMParser().parseFromString(text, "text/xml")
    .documentElement.getAttribute("id");
  const id = own || position;
  const early = arrived.get(id);

  if (early)
    setLatency(early.latency, start, early.now);
  else
    sent.set(id, start);
}

function connect() {
  const connection = new Strophe.Connection("/http-bind");

  connection.connect(domain, null, (status) => {
    if (status === Strophe.Status.CONNECTED) {
      setState("connected", "connected");
      by("jid").textContent = connection.jid;
      connection.addHandler((stanza) => {
        show(stanza, performance.now());
        return true;
      }, null, "message");
      subscribe(connection);
    } else if (status === Strophe.Status.DISCONNECTED) {
      setState("failed", "disconnected, trying again");
      setTimeout(connect, 1000);
    } else if (status === Strophe.Status.AUTHFAIL) {
      setState("failed", "refused");
    }
  });
}

function subscribe(connection) {
  const iq = $iq({ type: "set", to: domain })
    .c("pubsub", { xmlns: NS_PUBSUB })
    .c("subscribe", { node: channel, jid: connection.jid });

  connection.sendIQ(iq,
    () => setState("connected", "connected, subscribed"),
    () => setState("failed", "the subscription was refused"));
}

by("channel").textContent = channel;
by("stanza").value =
  `<message type='headline'>\n  <body>Hello from ${channel}</body>\n</message>`;
by("curl").textContent =
  `curl ${control}/publish/ -d '{"items":[{"channel":"${channel}",\n` +
  ` "xmpp-stanza":{"content":"<message><body>hi</body></message>"}}]}'`;
by("form").addEventListener("submit", publish);
connect();
