'use strict';
// An HTTP proxy that loses answers on purpose. Faults are told by a word that the
// request holds, so that tests can run beside one another.

const { once } = require('node:events');
const http = require('node:http');

/** One request on its way, for a fault to play with. */
class Exchange {
  constructor(target, request, body, response) {
    Object.assign(this, { target, request, body, response });
  }

  /** Sends the request on and waits for the whole answer. */
  async forward() {
    const { onward, answered } = this.send();
    try {
      return await answered;
    } finally {
      onward.destroy();
    }
  }

  /** Sends the request on without waiting; `sent` resolves when it is with the kernel. */
  send() {
    const { method, url, headers } = this.request;
    const onward = http.request(this.target + url, { method, headers, agent: false });
    const sent = new Promise((resolve) => onward.end(this.body, resolve));
    const answered = once(onward, 'response').then(async ([answer]) => ({
      status: answer.statusCode,
      headers: answer.headers,
      body: Buffer.concat(await answer.toArray()),
    }));
    return { onward, sent, answered };
  }

  /** Gives the client the server's answer. */
  pass(answer) {
    this.response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  /** Gives the client half of the server's answer, then nothing. */
  passHalf(answer) {
    this.response.writeHead(answer.status, answer.headers);
    const half = answer.body.subarray(0, answer.body.length / 2);
    this.response.write(half, () => this.hangUp());
  }

  /** Gives the client an answer that the server never gave. */
  answer(status, body) {
    this.response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  /** Drops the client's connection. */
  hangUp() {
    this.response.socket.destroy();
  }
}

class Proxy {
  constructor() {
    this.faults = []; // {word, queue}
    this.attempts = new Map(); // word -> requests that held it
    this.target = null;
    this.server = http.createServer((request, response) => this.handle(request, response));
  }

  async listen() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** The next requests that hold the word meet these faults, one each; later ones pass. */
  lose(word, ...queue) {
    this.faults.push({ word, queue });
    this.attempts.set(word, 0);
  }

  async handle(request, response) {
    const body = Buffer.concat(await request.toArray());
    const exchange = new Exchange(this.target, request, body, response);
    const found = this.faults.find(({ word }) => request.url.includes(word) || body.includes(word));
    if (found) this.attempts.set(found.word, this.attempts.get(found.word) + 1);
    const fault = found?.queue.shift() ?? (async (x) => x.pass(await x.forward()));
    try {
      await fault(exchange);
    } catch {
      exchange.hangUp(); // the server is gone: so is the connection
    }
  }
}

module.exports = { Proxy };
