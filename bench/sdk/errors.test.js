'use strict';
// Errors as a caller of the client meets them: err.response.status, and a body
// with error, code and param. A refusal has changed nothing.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');

const { open, refused, newDID, unique, at, until } = require('./fixture');

const world = open();

describe('unknown things', () => {
  test('an unknown meter is 404, and the identifier stays unused', async () => {
    const did = newDID();
    const event_name = unique('late');
    const identifier = unique('early');
    const err = await refused(world.report({ event_name }, did, '1', { identifier }), { status: 404, param: 'event_name' });
    assert.equal(typeof err.response.data.error, 'string');
    const meter = await world.meter({ event_name });
    await world.grant(meter, did, '10');
    const event = await world.report(meter, did, '1', { identifier });
    assert.ok(!event.duplicate);
    assert.equal(event.credit_consumed, '100');
  });

  test('whatever is retrieved or changed', async () => {
    const { payment } = world;
    const not = { status: 404 };
    await refused(payment.meters.retrieve('mtr_nothing'), not);
    await refused(payment.meters.retrieve(unique('nobody')), not);
    await refused(payment.meters.update('mtr_nothing', { name: 'x' }), not);
    await refused(payment.meters.activate('mtr_nothing'), not);
    await refused(payment.paymentCurrencies.retrieve('pc_nothing'), not);
    await refused(payment.paymentCurrencies.update('pc_nothing', { name: 'x' }), not);
    await refused(payment.paymentCurrencies.getRechargeConfig('pc_nothing'), not);
    await refused(payment.creditGrants.retrieve('cg_nothing'), not);
    await refused(payment.creditGrants.update('cg_nothing', { metadata: { a: 1 } }), not);
    await refused(payment.meterEvents.retrieve('me_nothing'), not);
    await refused(payment.creditTransactions.retrieve('ct_nothing'), not);
    await refused(payment.customers.retrieve(newDID()), not);
    await refused(payment.meterEvents.stats({ meter_id: 'mtr_nothing', start: 0, end: 1 }), { status: 404, param: 'meter_id' });
  });

  test('an unknown currency', async () => {
    const { payment } = world;
    const currency_id = 'pc_nothing';
    const unknown = { status: 404, param: 'currency_id' };
    const did = newDID();
    await refused(world.grant({ currency_id }, did, '1'), unknown);
    await refused(world.meter({ currency_id }), unknown);
    await refused(payment.creditGrants.holders({ currency_id }), unknown);
    await refused(payment.creditGrants.verifyAvailability({ customer_id: did, currency_id }), unknown);
    await refused(payment.customers.retrieve(did), { status: 404 }); // the refused grant made no customer
  });

  test('an object of another kind under the id', async () => {
    const meter = await world.meter();
    await refused(world.payment.creditGrants.retrieve(meter.id), { status: 404 });
    await refused(world.payment.paymentCurrencies.retrieve(meter.id), { status: 404 });
  });
});

describe('meters', () => {
  test('an event_name is taken once', async () => {
    const meter = await world.meter({ name: 'first' });
    await refused(world.meter({ event_name: meter.event_name, name: 'second' }), { status: 400, param: 'event_name' });
    assert.deepEqual(await world.payment.meters.retrieve(meter.event_name), meter);
  });

  test('deactivated and activated without a body', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const identifier = unique('inactive');
    await world.grant(meter, did, '10');
    const off = await payment.meters.deactivate(meter.id);
    assert.equal(off.id, meter.id);
    assert.equal(off.status, 'inactive');
    assert.equal((await payment.meters.deactivate(meter.id)).status, 'inactive', 'again is no error');
    await refused(world.report(meter, did, '1', { identifier }), { status: 400, param: 'event_name' });
    assert.equal(await world.remaining(meter, did), '1000');
    assert.equal((await payment.meters.activate(meter.id)).status, 'active');
    const event = await world.report(meter, did, '1', { identifier });
    assert.ok(!event.duplicate, 'the refusal left the identifier unused');
    assert.equal(event.credit_consumed, '100');
  });

  test('changed by update, with the same effect', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const changed = await payment.meters.update(meter.id, { name: 'renamed', unit: 'tokens', description: 'd', status: 'inactive' });
    assert.equal(changed.name, 'renamed');
    assert.equal(changed.unit, 'tokens');
    assert.equal(changed.description, 'd');
    assert.equal(changed.status, 'inactive');
    assert.equal(changed.event_name, meter.event_name);
    await refused(world.report(meter, newDID(), '1'), { status: 400, param: 'event_name' });
    await refused(payment.meters.update(meter.id, { status: 'asleep' }), { status: 400, param: 'status' });
  });

  test('with fields that are missing, too long or wrong', async () => {
    const bad = (more, param) => refused(world.meter(more), { status: 400, param });
    for (const field of ['name', 'event_name', 'unit']) {
      await bad({ [field]: undefined }, field);
      await bad({ [field]: '' }, field);
      await bad({ [field]: 7 }, field);
    }
    await bad({ name: 'n'.repeat(65) }, 'name');
    await bad({ event_name: 'e'.repeat(65) }, 'event_name');
    await bad({ unit: 'u'.repeat(33) }, 'unit');
    await bad({ description: 'd'.repeat(256) }, 'description');
    await bad({ aggregation_method: 'max' }, 'aggregation_method');
    for (const decimal of [-1, 19, 1.5, 'two']) await bad({ decimal }, 'decimal');
    await world.meter({ name: 'n'.repeat(64), unit: 'u'.repeat(32), description: 'd'.repeat(255) });
  });
});

describe('a repeated identifier with something else in it', () => {
  let meter, other, did;
  const first = {};

  before(async () => {
    meter = await world.meter();
    other = await world.meter();
    did = newDID();
    await world.grant(meter, did, '100');
    first.identifier = unique('first');
    first.timestamp = at(-100);
    first.event = await world.report(meter, did, '10', first);
  });

  const repeat = (own, customer, value, more = {}) => world.report(own, customer, value, { identifier: first.identifier, ...more });
  const conflict = (call, param) => refused(call, { status: 409, param });

  test('409 names the field', async () => {
    await conflict(repeat(other, did, '10'), 'event_name');
    await conflict(repeat(meter, newDID(), '10'), 'payload.customer_id');
    await conflict(repeat(meter, did, '10.01'), 'payload.value');
    await conflict(repeat(meter, did, '0'), 'payload.value');
    await conflict(repeat(meter, did, '10', { timestamp: first.timestamp + 1 }), 'timestamp');
    assert.equal(await world.remaining(meter, did), '9000', 'nothing was counted');
  });

  test('the same in other words is the same', async () => {
    for (const call of [
      repeat(meter, did, '10'), // only one of them has a timestamp
      repeat(meter, did, '10.00', { timestamp: first.timestamp }),
      repeat(meter, did, 10),
      repeat(meter, did, '10', { metadata: { attempt: 2 } }), // metadata does not tell events apart
    ]) {
      const again = await call;
      assert.equal(again.duplicate, true);
      assert.equal(again.id, first.event.id);
    }
    assert.equal(await world.remaining(meter, did), '9000');
  });

  test('a timestamp of just now is a timestamp that was sent', async () => {
    await until(at(1), 50); // well inside a second, so that the server's clock shows the same one
    const more = { identifier: unique('now'), timestamp: at() };
    await world.report(meter, did, '1', more);
    await conflict(world.report(meter, did, '1', { ...more, timestamp: more.timestamp - 60 }), 'timestamp');
  });

  test('without a timestamp at first, any later one is fine', async () => {
    const own = { identifier: unique('none') };
    const event = await world.report(meter, did, '1', own);
    const again = await world.report(meter, did, '1', { ...own, timestamp: event.timestamp - 60 });
    assert.equal(again.duplicate, true);
    assert.equal(again.timestamp, event.timestamp);
  });
});

describe('amounts', () => {
  const WRONG = ['-1', '-0.01', 'NaN', 'Infinity', '-Infinity', '', ' ', 'ten', '0x10', '1_000', '1,5', '1 000', '1.2.3', '--1', '٣'];
  const NO_AMOUNTS = [null, undefined, true, {}, [], ['1']];

  test('of events: nothing counted, and the identifier stays unused', async () => {
    const meter = await world.meter();
    const did = newDID();
    await world.grant(meter, did, '10');
    const identifier = unique('wrong');
    for (const value of [...WRONG, ...NO_AMOUNTS, '0.001', '1.234', 0.001, -1]) {
      await refused(world.report(meter, did, value, { identifier }), { status: 400, param: 'payload.value' });
    }
    assert.equal((await world.payment.meterEvents.list({ customer_id: did })).count, 0);
    const event = await world.report(meter, did, '0.01', { identifier });
    assert.ok(!event.duplicate);
    assert.equal(event.credit_consumed, '1');
  });

  test('of grants', async () => {
    const meter = await world.meter();
    const did = newDID();
    for (const amount of [...WRONG, ...NO_AMOUNTS, '0.001', '0', 0]) {
      await refused(world.grant(meter, did, amount), { status: 400, param: 'amount' });
    }
    assert.equal((await world.payment.creditGrants.list({ customer_id: did })).count, 0);
  });

  test('of more fraction digits than the currency has, even if they are zeros', async () => {
    const meter = await world.meter();
    await refused(world.report(meter, newDID(), '10.000'), { status: 400, param: 'payload.value' });
    await refused(world.grant(meter, newDID(), '10.000'), { status: 400, param: 'amount' });
  });

  const most = (2n ** 127n - 1n).toString();

  test('a sum past 2^127 changes nothing', async () => {
    const meter = await world.meter({ decimal: 0 });
    const [owner, debtor] = [newDID(), newDID()];
    await refused(world.grant(meter, owner, (2n ** 127n + 1n).toString()), { status: 400, param: 'amount' });
    await world.grant(meter, owner, most);
    await refused(world.grant(meter, owner, '2'), { status: 400, param: 'amount' });
    assert.equal(await world.remaining(meter, owner), most);
    assert.equal((await world.payment.creditGrants.list({ customer_id: owner })).count, 1);
    assert.equal((await world.report(meter, owner, most)).credit_consumed, most);

    assert.equal((await world.report(meter, debtor, most)).credit_pending, most);
    await refused(world.report(meter, debtor, '2'), { status: 400, param: 'payload.value' });
    assert.equal(await world.pending(meter, debtor), most);
    assert.equal((await world.payment.meterEvents.list({ customer_id: debtor })).count, 1);
  });

  test('sums over customers, each within bounds, can still be read', async () => {
    const meter = await world.meter({ decimal: 0 });
    for (const did of [newDID(), newDID()]) {
      await world.grant(meter, did, most);
      await world.report(meter, did, most);
      await world.report(meter, newDID(), most);
    }
    const span = `start=${at(-60)}&end=${at(60)}&start_date=${at(-60)}&end_date=${at(60)}`;
    const scope = `currency_id=${meter.currency_id}&meter_id=${meter.id}`;
    for (const path of ['credit-grants/stats', 'credit-transactions/summary', 'meter-events/stats', 'meter-events/pending-amount']) {
      const { status, body } = await world.raw('GET', `/api/${path}?${scope}&${span}&livemode=true`);
      assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
    }
  });
});

describe('events', () => {
  test('with fields that are missing, too long or wrong', async () => {
    const meter = await world.meter();
    const did = newDID();
    const bad = (more, param) => refused(world.report(meter, did, '1', more), { status: 400, param });
    await bad({ event_name: undefined }, 'event_name');
    await bad({ identifier: undefined }, 'identifier');
    await bad({ identifier: '' }, 'identifier');
    await bad({ identifier: 7 }, 'identifier');
    await bad({ identifier: 'i'.repeat(256) }, 'identifier');
    await bad({ identifier: 'half a pair \ud800' });
    await bad({ payload: { customer_id: undefined } }, 'payload.customer_id');
    await bad({ payload: { customer_id: '' } }, 'payload.customer_id');
    await bad({ timestamp: 'now' }, 'timestamp');
    await bad({ timestamp: -1 }, 'timestamp');
    await bad({ metadata: 'text' }, 'metadata');
    assert.equal((await world.payment.meterEvents.list({ meter_id: meter.id })).count, 0);
    await world.report(meter, did, '1', { identifier: unique('i').padEnd(255, 'i') });
  });

  test('identifiers are compared byte by byte', async () => {
    const meter = await world.meter();
    const did = newDID();
    const base = unique('é');
    const spellings = [base, base.toUpperCase(), base.normalize('NFD'), `${base} `, ` ${base}`, `${base}0`];
    for (const identifier of spellings) {
      const event = await world.report(meter, did, '1', { identifier });
      assert.ok(!event.duplicate, JSON.stringify(identifier));
      assert.equal(event.identifier, identifier);
    }
    for (const identifier of spellings) {
      assert.equal((await world.report(meter, did, '1', { identifier })).duplicate, true);
    }
    assert.equal(await world.pending(meter, did), String(spellings.length * 100));
  });
});

test('grants with fields that are missing or wrong', async () => {
  const meter = await world.meter();
  const bad = (more, param) => refused(world.grant(meter, newDID(), '1', more), { status: 400, param });
  for (const field of ['currency_id', 'customer_id', 'category']) {
    await bad({ [field]: undefined }, field);
    await bad({ [field]: '' }, field);
  }
  await bad({ category: 'gift' }, 'category');
  await bad({ metadata: [] }, 'metadata');
  await bad({ name: 7 }, 'name');
});

test('paths, methods and bodies that make no sense', async () => {
  const cases = [
    ['GET', '/api/nothing', undefined, 404],
    ['DELETE', '/api/meters', undefined, 405],
    ['POST', '/api/meter-events', '{"event_name":', 400],
    ['POST', '/api/meter-events', '[]', 400],
    ['POST', '/api/meter-events', '{"identifier":"a","identifier":"b"}', 400],
    ['GET', '/api/credit-grants/summary', undefined, 400],
    ['GET', '/api/meters?livemode=perhaps', undefined, 400],
  ];
  for (const [method, path, body, status] of cases) {
    const answer = await world.raw(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    assert.equal(typeof answer.body.error, 'string');
    assert.match(answer.body.code, /^[a-z_]+$/);
  }
});
