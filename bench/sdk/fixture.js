'use strict';
// What the tests share: a server and a client for each file, and the calls in the
// words of the field. Every test makes its own meter and customers, so that none
// depends on another.

const assert = require('node:assert/strict');
const { randomBytes, randomUUID } = require('node:crypto');
const { before, after } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { loadClient } = require('./client');
const { startServer } = require('./server');

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** A name that nobody else has. */
const unique = (name) => `${name}-${randomUUID().slice(0, 13)}`;

/** A string in the form of a DID that nobody has seen. */
const newDID = () => `z1${[...randomBytes(32)].map((byte) => BASE58[byte % BASE58.length]).join('')}`;

/** Unix seconds, so many from now. */
const at = (seconds = 0) => Math.floor(Date.now() / 1000) + seconds;

/** Waits until the clock shows Unix time t, in seconds, and a little more. */
const until = (t, moreMs = 20) => sleep(Math.max(0, t * 1000 - Date.now()) + moreMs);

class World {
  payment = null;
  server = null;

  /** A meter; without currency_id it comes with a currency of its own. */
  meter(more = {}) {
    const event_name = unique('calls');
    return this.payment.meters.create({ name: 'API calls', event_name, aggregation_method: 'sum', unit: 'calls', ...more });
  }

  grant(meter, customer_id, amount, more = {}) {
    const { currency_id } = meter;
    return this.payment.creditGrants.create({ customer_id, currency_id, amount, category: 'promotional', ...more });
  }

  /** Reports an event; `more` may replace its top-level fields, `payload` adds to its payload. */
  report(meter, customer_id, value, { payload = {}, ...more } = {}) {
    return this.payment.meterEvents.create({
      event_name: meter.event_name,
      payload: { customer_id, value, ...payload },
      identifier: randomUUID(),
      ...more,
    });
  }

  /** What the customer can spend in the meter's currency, in the smallest unit. */
  async remaining(meter, customer_id) {
    const summary = await this.payment.creditGrants.summary({ customer_id });
    return summary[meter.currency_id]?.remainingAmount ?? '0';
  }

  /** What the customer owes in the meter's currency, in the smallest unit. */
  async pending(meter, customer_id) {
    const amounts = await this.payment.meterEvents.pendingAmount({ customer_id });
    return amounts[meter.currency_id] ?? '0';
  }

  /** The customer's whole ledger, oldest row first. */
  async rows(customer_id, more = {}) {
    const { list } = await this.payment.creditTransactions.list({ customer_id, order: 'created_at:ASC', pageSize: 100, ...more });
    return list;
  }

  /** A call that the client has no method for. */
  async raw(method, path, body, headers = {}) {
    const answer = await fetch(this.server.url + path, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: JSON.parse(text) };
  }

  voidGrant(grant, livemode = true) {
    return this.raw('POST', `/api/credit-grants/${grant.id}/void?livemode=${livemode}`);
  }

  setPrices(subscription, prices) {
    return this.raw('PUT', `/api/subscriptions/${subscription}?livemode=true`, { prices });
  }
}

/** A server and a client for the tests of the calling file, and what it wants made first. */
function open(prepare = async () => {}) {
  const world = new World();
  before(async () => {
    world.server = await startServer();
    world.payment = loadClient(world.server.url);
    await prepare(world);
  });
  after(() => world.server?.remove());
  return world;
}

/**
 * Asserts that a call is refused as axios shows it: the status, and a body that
 * says in a sentence, a code and a field what is wrong. Returns the error.
 */
async function refused(call, { status, code, param }) {
  let err;
  try {
    const answer = await call;
    assert.fail(`expected a refusal with ${status}, got ${JSON.stringify(answer)}`);
  } catch (thrown) {
    err = thrown;
  }
  if (!err.response) throw err;
  const { data } = err.response;
  const seen = JSON.stringify(data);
  assert.equal(err.response.status, status, seen);
  assert.equal(err.message, `Request failed with status code ${status}`);
  assert.equal(err.code, 'ERR_BAD_REQUEST');
  assertErrorBody(data, { code, param });
  return err;
}

/** Asserts that an error's body has the shape of errors. */
function assertErrorBody(data, { code, param }) {
  const seen = JSON.stringify(data);
  assert.equal(typeof data.error, 'string', seen);
  assert.match(data.code, /^[a-z]+(_[a-z]+)*$/, seen);
  if (code !== undefined) assert.equal(data.code, code, seen);
  if (param !== undefined) {
    assert.equal(data.param, param, seen);
    assert.ok(data.error.includes(param.split('.').pop()), `the sentence names the field: ${seen}`);
  }
}

/** Amount in whole tokens, as a decimal string, to the smallest unit. */
function units(tokens, decimal) {
  const [whole, fraction = ''] = tokens.split('.');
  assert.ok(fraction.length <= decimal, `${tokens} has more than ${decimal} decimals`);
  return BigInt(whole + fraction.padEnd(decimal, '0'));
}

const sum = (numbers) => numbers.reduce((total, n) => total + BigInt(n), 0n);

module.exports = { open, World, refused, assertErrorBody, unique, newDID, at, until, units, sum, sleep };
