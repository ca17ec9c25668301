// The socket that the extension gives to `@jupyterlab/services` in place of a WebSocket: the
// kernel's ZeroMQ channels, with the messages signed and framed here.

'use strict';

const { randomUUID } = require('node:crypto');
const wire = require('@nteract/messaging/lib/wire-protocol');
const zmq = require('zeromq');

const UNLIMITED = { receiveHighWaterMark: 0, maxMessageSize: -1 };

class RawSocket {
  protocol = '';

  constructor(connection) {
    this.connection = connection;
    // The kernel routes prompts to the stdin channel by the identity of the shell channel.
    const routingId = randomUUID();
    const dealer = () => new zmq.Dealer({ ...UNLIMITED, routingId, sendHighWaterMark: 0 });
    this.channels = {
      iopub: new zmq.Subscriber(UNLIMITED),
      shell: dealer(),
      control: dealer(),
      stdin: dealer()
    };
    for (const [name, socket] of Object.entries(this.channels)) {
      socket.connect(`tcp://${connection.ip}:${connection[`${name}_port`]}`);
      this.#receive(name, socket);
    }
    this.channels.iopub.subscribe();
    this.sent = Promise.resolve();
  }

  async #receive(channel, socket) {
    for await (const frames of socket) {
      const message = wire.decode(frames, this.connection.key, this.connection.signature_scheme);
      this.onmessage({ data: { ...message, channel } });
    }
  }

  send(message) {
    const { key, signature_scheme: scheme } = this.connection;
    const frames = wire.encode(message, key, scheme);
    this.sent = this.sent.then(() => this.channels[message.channel].send(frames));
  }

  close() {
    for (const socket of Object.values(this.channels)) socket.close();
  }
}

module.exports = { RawSocket };
