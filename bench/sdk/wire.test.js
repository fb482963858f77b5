'use strict';
// What the client really sends, against a server that only listens. It holds the
// facts on which the other tests and the server's decoding rest.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { before, after, test } = require('node:test');

const { loadClient } = require('./client');

let payment;
let seen;
const listener = http.createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  seen = { method: request.method, url: request.url, headers: request.headers, body };
  response.setHeader('content-type', 'application/json').end('{}');
});

before(async () => {
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  payment = loadClient(`http://127.0.0.1:${listener.address().port}`);
});
after(() => {
  listener.closeAllConnections();
  listener.close();
});

test('livemode is a parameter of every request, whatever the caller says', async () => {
  await payment.meters.create({ name: 'a' });
  assert.equal(seen.url, '/api/meters?livemode=true');
  await payment.creditGrants.list({ livemode: false, status: 'granted,pending', q: undefined, page: 2 });
  assert.equal(seen.url, '/api/credit-grants?livemode=true&status=granted%2Cpending&page=2');
  payment.environments.setTestMode(true);
  await payment.meters.retrieve('mtr_1');
  payment.environments.setTestMode(false);
  assert.equal(seen.url, '/api/meters/mtr_1?livemode=false');
});

test('a body is JSON with its length, and is signed', async () => {
  const event = { event_name: 'e', payload: { customer_id: 'c', value: '10' }, identifier: 'é' };
  await payment.meterEvents.create(event);
  assert.equal(seen.method, 'POST');
  assert.deepEqual(JSON.parse(seen.body), event);
  assert.equal(seen.headers['content-type'], 'application/json');
  assert.equal(Number(seen.headers['content-length']), Buffer.byteLength(seen.body));
  assert.match(seen.headers['x-component-sig'], /^0x[0-9a-f]{128}$/);
  assert.equal(seen.headers['x-component-sig-version'], '1');
  assert.equal(Number(seen.headers['x-component-sig-exp']), Number(seen.headers['x-component-sig-iat']) + 300);
});

test('activate and deactivate have no body', async () => {
  for (const method of ['activate', 'deactivate']) {
    await payment.meters[method]('mtr_1');
    assert.equal(seen.method, 'PUT');
    assert.equal(seen.url, `/api/meters/mtr_1/${method}?livemode=true`);
    assert.equal(seen.body, '');
    assert.equal(seen.headers['content-length'], '0');
    assert.equal(seen.headers['content-type'], 'application/x-www-form-urlencoded');
  }
});

test('a customer is made by a GET with a body', async () => {
  await payment.customers.retrieve('z1abc', { create: true });
  assert.equal(seen.method, 'GET');
  assert.equal(seen.url, '/api/customers/z1abc?livemode=true');
  assert.equal(seen.body, '{"create":true}');
});

test('an order of pairs becomes nested brackets', async () => {
  await payment.meterEvents.list({ order: [['created_at', 'ASC']] });
  const query = '/api/meter-events?order%5B0%5D%5B0%5D=created_at&order%5B0%5D%5B1%5D=ASC&livemode=true';
  assert.equal(seen.url, query);
});
