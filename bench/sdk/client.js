'use strict';
// The npm client as it is published, pointed at one address. It reads its
// surroundings when it is first loaded, so that a process has one client.

const { generateKeyPairSync } = require('node:crypto');

const PAYMENT_KIT_DID = 'z2qaCNvKMv5GjouKdcDWexv6WqtHbpNPQDnAk'; // hard-coded in the client
const RUNNING = 6;

/** Seed and public key of a throw-away key, as the client wants them. */
function throwAwayKey() {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return `0x${Buffer.from(d, 'base64url').toString('hex')}${Buffer.from(x, 'base64url').toString('hex')}`;
}

// The client prints every failed call. Here most failures are wanted; the
// others reach the test as what they are.
function withoutFailureLog() {
  const print = console.error;
  console.error = (first, ...rest) => {
    if (typeof first === 'string' && first.startsWith('component.call failed')) return;
    print(first, ...rest);
  };
}

/** Loads the client for the server at url. */
function loadClient(url) {
  if (process.env.BLOCKLET_MOUNT_POINTS) throw new Error('the client is loaded already');
  withoutFailureLog();
  process.env.BLOCKLET_MODE = 'test'; // it looks for no Blocklet Server
  process.env.BLOCKLET_APP_SK = throwAwayKey();
  process.env.BLOCKLET_MOUNT_POINTS = JSON.stringify([{ did: PAYMENT_KIT_DID, status: RUNNING, webEndpoint: url }]);
  return require('@blocklet/payment-js').default;
}

module.exports = { loadClient };
