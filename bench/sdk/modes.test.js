'use strict';
// Live mode and test mode are two spaces. The client keeps its mode in a global,
// so that the tests of this file run one after another.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { open, refused, newDID, unique } = require('./fixture');

const world = open();

/** Runs with the client in test mode. */
async function inTestMode(run) {
  const { environments } = world.payment;
  environments.setTestMode(true);
  try {
    return await run();
  } finally {
    environments.setTestMode(false);
  }
}

test('the same names and identifiers live in both, apart', async () => {
  const { payment } = world;
  const did = newDID();
  const event_name = unique('calls');
  const identifier = unique('same');

  const live = await world.meter({ event_name });
  assert.equal(live.livemode, true);
  const sandbox = await inTestMode(() => world.meter({ event_name }));
  assert.equal(sandbox.livemode, false);
  assert.notEqual(sandbox.id, live.id);
  assert.notEqual(sandbox.currency_id, live.currency_id);

  await world.grant(live, did, '10');
  await inTestMode(() => world.grant(sandbox, did, '100'));
  const liveEvent = await world.report(live, did, '1', { identifier });
  const testEvent = await inTestMode(() => world.report(sandbox, did, '2', { identifier }));
  assert.ok(!liveEvent.duplicate);
  assert.ok(!testEvent.duplicate, 'the identifier is new in test mode, with another value');
  assert.notEqual(testEvent.id, liveEvent.id);
  assert.equal(testEvent.livemode, false);
  assert.equal((await world.report(live, did, '1', { identifier })).duplicate, true);
  assert.equal((await inTestMode(() => world.report(sandbox, did, '2', { identifier }))).duplicate, true);

  const summary = () => payment.creditGrants.summary({ customer_id: did });
  assert.deepEqual(Object.keys(await summary()), [live.currency_id]);
  assert.equal(await world.remaining(live, did), '900');
  await inTestMode(async () => {
    assert.deepEqual(Object.keys(await summary()), [sandbox.currency_id]);
    assert.equal(await world.remaining(sandbox, did), '9800');
    const rows = await world.rows(did);
    assert.deepEqual(rows.map((row) => row.amount), ['10000', '-200']);
    for (const row of rows) assert.equal(row.livemode, false);
  });
});

test('nothing of the one is found in the other', async () => {
  const { payment } = world;
  const did = newDID();
  const meter = await world.meter();
  const grant = await world.grant(meter, did, '10');
  const event = await world.report(meter, did, '1');
  const { list: [row] } = await payment.creditTransactions.list({ customer_id: did });
  await inTestMode(async () => {
    await refused(payment.meters.retrieve(meter.id), { status: 404 });
    await refused(payment.meters.retrieve(meter.event_name), { status: 404 });
    await refused(payment.meters.update(meter.id, { name: 'mine' }), { status: 404 });
    await refused(payment.meters.deactivate(meter.id), { status: 404 });
    await refused(payment.paymentCurrencies.retrieve(meter.currency_id), { status: 404 });
    await refused(payment.creditGrants.retrieve(grant.id), { status: 404 });
    await refused(payment.creditGrants.update(grant.id, { expired: true }), { status: 404 });
    await refused(payment.meterEvents.retrieve(event.id), { status: 404 });
    await refused(payment.creditTransactions.retrieve(row.id), { status: 404 });
    await refused(payment.customers.retrieve(did), { status: 404 });
    await refused(world.report(meter, did, '1'), { status: 404, param: 'event_name' });
    await refused(world.grant(meter, did, '1'), { status: 404, param: 'currency_id' });
    assert.equal((await world.voidGrant(grant, false)).status, 404);
    for (const list of [payment.meterEvents.list, payment.creditGrants.list, payment.creditTransactions.list]) {
      assert.equal((await list({ customer_id: did })).count, 0);
    }
    const currencies = await payment.paymentCurrencies.list();
    assert.ok(currencies.every((currency) => currency.id !== meter.currency_id && currency.livemode === false));
  });
  assert.equal(await world.remaining(meter, did), '900');
  assert.equal((await payment.meters.retrieve(meter.id)).status, 'active');
});

test('callers without the client say livemode in the body; the query wins', async () => {
  const did = newDID();
  const meter = await inTestMode(() => world.meter());
  const event = { event_name: meter.event_name, payload: { customer_id: did, value: '1' }, livemode: false };
  const inBody = await world.raw('POST', '/api/meter-events', { ...event, identifier: unique('body') });
  assert.equal(inBody.status, 200, JSON.stringify(inBody.body));
  assert.equal(inBody.body.livemode, false);
  const path = '/api/meter-events?livemode=true';
  const inBoth = await world.raw('POST', path, { ...event, identifier: unique('both') });
  assert.equal(inBoth.status, 404, 'the query says live, where there is no such meter');
});
