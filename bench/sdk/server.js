'use strict';
// A Drawdown process of the test's own: its data directory, its port, its end.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const BINARY = path.resolve(__dirname, process.env.DRAWDOWN || '../../bin/drawdown');
const READY_WITHIN_MS = 10_000;
const END_WITHIN_MS = 5_000;
const LOG_CHARS_MAX = 256 * 1024; // of a process's log, its end is kept

/** A port that was free a moment ago. */
async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The environment without settings for another Drawdown. */
function surroundings() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DRAWDOWN')));
}

class Server {
  constructor(port) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'drawdown-sdk-'));
    this.child = null;
    this.log = '';
  }

  /** Starts the process and returns once it is ready for requests. */
  async start() {
    const child = spawn(BINARY, ['serve', '--data', this.dir, '--http', `127.0.0.1:${this.port}`], {
      env: surroundings(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    child.ended = new Promise((resolve) => child.once('close', resolve));
    child.on('error', (err) => this.keep(`${BINARY}: ${err.message}\n`));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.keep(text));
    }
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    child.once('close', () => process.removeListener('exit', orphan));
    await this.ready();
  }

  keep(text) {
    this.log = (this.log + text).slice(-LOG_CHARS_MAX);
  }

  async ready() {
    const deadline = Date.now() + READY_WITHIN_MS;
    let last = 'no answer';
    while (Date.now() < deadline && this.running()) {
      try {
        const answer = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(1_000) });
        const text = await answer.text();
        if (answer.status === 200) return;
        last = `${answer.status} ${text}`;
      } catch (err) {
        last = String(err.cause || err);
      }
      await sleep(20);
    }
    const state = this.running() ? `not ready after ${READY_WITHIN_MS} ms` : 'ended before it was ready';
    await this.kill();
    console.error(`--- log of ${BINARY}\n${this.log}---`);
    throw new Error(`drawdown ${state}: ${last}`);
  }

  running() {
    const { child } = this;
    return child !== null && child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** The end that a power cut makes: no clean-up, no last write. */
  async kill() {
    if (this.running()) this.child.kill('SIGKILL');
    await this.child.ended;
  }

  /** The orderly end. */
  async stop() {
    if (this.running()) {
      this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), END_WITHIN_MS);
      await this.child.ended;
      clearTimeout(late);
    }
  }

  /** The orderly end, and the data directory with it. */
  async remove() {
    if (this.child) await this.stop();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Starts a server with an empty data directory on a free port. */
async function startServer() {
  const server = new Server(await freePort());
  try {
    await server.start();
  } catch (err) {
    await server.remove();
    throw err;
  }
  return server;
}

module.exports = { startServer, freePort };
