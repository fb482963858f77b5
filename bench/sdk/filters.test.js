'use strict';
// The filters of every list, and that each leaves the total exact.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');

const { open, refused, newDID, unique, at, units } = require('./fixture');

const world = open();
const HOUR = 60 * 60;

/** Asserts which rows a list holds, whatever their order, and that its total says so. */
function holds(answer, expected, name = '') {
  assert.deepEqual(answer.list.map((row) => row.id).sort(), expected.map((row) => row.id).sort(), name);
  assert.equal(answer.count, expected.length, name);
  assert.equal(answer.total, expected.length, name);
}

describe('meters', () => {
  test('by event_name and by text', async () => {
    const { payment } = world;
    const word = unique('zebra').replaceAll('-', '');
    const a = await world.meter({ name: `${word} one` });
    const b = await world.meter({ name: `the other ${word}` });
    await world.meter();
    holds(await payment.meters.list({ event_name: a.event_name }), [a]);
    holds(await payment.meters.list({ q: word }), [a, b]);
    holds(await payment.meters.list({ q: word, event_name: b.event_name }), [b]);
    holds(await payment.meters.list({ event_name: unique('nobody') }), []);
  });
});

describe('credit grants', () => {
  let tokens, minutes, ann, bob, g;

  before(async () => {
    tokens = await world.meter();
    minutes = await world.meter();
    ann = newDID();
    bob = newDID();
    g = {
      granted: await world.grant(tokens, ann, '5', { name: unique('welcome') }),
      pending: await world.grant(tokens, ann, '5', { effective_at: at(HOUR) }),
      minutes: await world.grant(minutes, ann, '7', { category: 'paid' }),
      expired: await world.grant(minutes, ann, '3'),
      bobs: await world.grant(tokens, bob, '5'),
      depleted: await world.grant(tokens, bob, '1', { priority: 1 }),
    };
    await world.payment.creditGrants.update(g.expired.id, { expired: true });
    await world.report(tokens, bob, '1');
  });

  const list = (q) => world.payment.creditGrants.list(q);

  test('by customer and currency', async () => {
    holds(await list({ customer_id: ann }), [g.granted, g.pending, g.minutes, g.expired]);
    holds(await list({ customer_id: ann, currency_id: minutes.currency_id }), [g.minutes, g.expired]);
    holds(await list({ currency_id: tokens.currency_id }), [g.granted, g.pending, g.bobs, g.depleted]);
    holds(await list({ customer_id: newDID() }), []);
    holds(await list({ customer_id: ann, currency_id: 'pc_nothing' }), []);
  });

  test('by status, one or several between commas', async () => {
    holds(await list({ customer_id: ann, status: 'granted' }), [g.granted, g.minutes]);
    holds(await list({ customer_id: ann, status: 'pending' }), [g.pending]);
    holds(await list({ customer_id: ann, status: 'expired' }), [g.expired]);
    holds(await list({ customer_id: ann, status: 'pending,expired' }), [g.pending, g.expired]);
    holds(await list({ customer_id: ann, status: 'granted,pending,expired,depleted,voided' }), [g.granted, g.pending, g.minutes, g.expired]);
    holds(await list({ customer_id: bob, status: 'depleted' }), [g.depleted]);
    holds(await list({ customer_id: bob, status: 'voided' }), []);
    await refused(list({ status: 'granted,gone' }), { status: 400, param: 'status' });
  });

  test('by text and by time of creation', async () => {
    holds(await list({ customer_id: ann, q: g.granted.name }), [g.granted]);
    holds(await list({ customer_id: ann, q: unique('nobody') }), []);
    holds(await list({ customer_id: bob, start: at(-60), end: at(60) }), [g.bobs, g.depleted]);
    holds(await list({ customer_id: bob, start: at(60) }), []);
    holds(await list({ customer_id: bob, end: at(-60) }), []);
  });

  test('by subscription: what may pay for its prices', async () => {
    const did = newDID();
    const [basic, pro] = [unique('price_basic'), unique('price_pro')];
    const sub = unique('sub');
    const everything = await world.grant(tokens, did, '1');
    const forBasic = await world.grant(tokens, did, '2', { applicability_config: { scope: { prices: [basic] } } });
    const forPro = await world.grant(tokens, did, '4', { applicability_config: { scope: { prices: [pro, 'price_x'] } } });
    const metered = await world.grant(tokens, did, '8', { applicability_config: { scope: { price_type: 'metered' } } });
    assert.equal((await world.setPrices(sub, [pro])).status, 200);
    holds(await list({ customer_id: did }), [everything, forBasic, forPro, metered]);
    holds(await list({ customer_id: did, subscription_id: sub }), [everything, forPro, metered]);
  });
});

describe('meter events', () => {
  let calls, bytes, ann, bob, e;

  before(async () => {
    calls = await world.meter();
    bytes = await world.meter();
    ann = newDID();
    bob = newDID();
    const early = { timestamp: at(-3 * HOUR) };
    e = {
      early: await world.report(calls, ann, '1', early),
      late: await world.report(calls, ann, '2', { timestamp: at(-HOUR) }),
      bytes: await world.report(bytes, ann, '3', { identifier: unique('quokka') }),
      bobs: await world.report(calls, bob, '4', early),
    };
  });

  const list = (q) => world.payment.meterEvents.list(q);

  test('by customer and meter', async () => {
    holds(await list({ customer_id: ann }), [e.early, e.late, e.bytes]);
    holds(await list({ event_name: calls.event_name }), [e.early, e.late, e.bobs]);
    holds(await list({ meter_id: calls.id }), [e.early, e.late, e.bobs]);
    holds(await list({ meter_id: calls.id, customer_id: ann }), [e.early, e.late]);
    holds(await list({ meter_id: bytes.id, event_name: calls.event_name }), []);
    holds(await list({ event_name: unique('nobody') }), []);
    holds(await list({ customer_id: newDID() }), []);
  });

  test("by the usage's time", async () => {
    holds(await list({ customer_id: ann, start: at(-2 * HOUR) }), [e.late, e.bytes]);
    holds(await list({ customer_id: ann, end: at(-2 * HOUR) }), [e.early]);
    holds(await list({ meter_id: calls.id, start: at(-4 * HOUR), end: at(-2 * HOUR) }), [e.early, e.bobs]);
    holds(await list({ customer_id: ann, start: at(-2 * HOUR), end: at(-HOUR / 2) }), [e.late]);
    await refused(list({ customer_id: ann, start: 'yesterday' }), { status: 400, param: 'start' });
  });

  test('by text', async () => {
    holds(await list({ customer_id: ann, q: e.bytes.identifier }), [e.bytes]);
    holds(await list({ q: unique('nobody') }), []);
  });
});

describe('credit transactions', () => {
  let calls, bytes, ann, bob, sub, grants, events, all;

  before(async () => {
    calls = await world.meter();
    bytes = await world.meter();
    ann = newDID();
    bob = newDID();
    sub = unique('sub');
    grants = {
      first: await world.grant(calls, ann, '2', { priority: 1 }),
      second: await world.grant(calls, ann, '10', { name: unique('second') }),
      bytes: await world.grant(bytes, ann, '10'),
      voided: await world.grant(bytes, ann, '10'),
      expired: await world.grant(bytes, ann, '10'),
      bobs: await world.grant(calls, bob, '10'),
    };
    events = {
      both: await world.report(calls, ann, '3'), // draws on two grants
      sub: await world.report(calls, ann, '1', { payload: { subscription_id: sub } }),
      bytes: await world.report(bytes, ann, '4'),
      bobs: await world.report(calls, bob, '5'),
    };
    assert.equal((await world.voidGrant(grants.voided)).status, 200);
    await world.payment.creditGrants.update(grants.expired.id, { expired: true });
    all = await world.rows(ann);
    assert.equal(all.length, 11);
  });

  const list = (q) => world.payment.creditTransactions.list(q);
  const where = (test) => all.filter(test);

  test('the plain list holds all kinds of rows', () => {
    const kinds = { grant: [], consumption: [], adjustment: [], expiration: [] };
    for (const row of all) kinds[row.type].push(row);
    assert.equal(kinds.grant.length, 5);
    assert.equal(kinds.consumption.length, 4);
    assert.equal(kinds.adjustment.length, 1);
    assert.equal(kinds.expiration.length, 1);
    for (const row of all) {
      assert.equal(row.activity_type, row.type);
      assert.match(row.amount, row.type === 'grant' ? /^\d+$/ : /^-\d+$/);
      assert.match(row.credit_amount, /^\d+$/);
    }
  });

  test('by type, one or several between commas', async () => {
    for (const type of ['grant', 'consumption', 'adjustment', 'expiration']) {
      holds(await list({ customer_id: ann, type }), where((row) => row.type === type), type);
    }
    const type = 'adjustment,expiration';
    holds(await list({ customer_id: ann, type }), where((row) => type.split(',').includes(row.type)));
    await refused(list({ customer_id: ann, type: 'gift' }), { status: 400, param: 'type' });
  });

  test('include_grants', async () => {
    holds(await list({ customer_id: ann, include_grants: true }), all);
    holds(await list({ customer_id: ann, include_grants: false }), where((row) => row.type !== 'grant'));
    const { list: rows } = await list({ customer_id: ann, include_grants: true, activity_type: 'grant' });
    assert.ok(rows.some((row) => row.name === grants.second.name), "a grant's row carries its name");
  });

  test('by customer and currency', async () => {
    const bobs = await list({ customer_id: bob });
    assert.deepEqual(bobs.list.map((row) => row.amount), ['-500', '1000']);
    holds(await list({ customer_id: newDID() }), []);
    const { currency_id } = bytes;
    holds(await list({ customer_id: ann, currency_id }), where((row) => row.currency_id === currency_id));
  });

  test('by grant', async () => {
    const rows = await list({ credit_grant_id: grants.first.id });
    holds(rows, where((row) => row.credit_grant_id === grants.first.id));
    assert.deepEqual(rows.list.map((row) => row.amount), ['-200', '200']);
    holds(await list({ credit_grant_id: 'cg_nothing' }), []);
  });

  test('by meter', async () => {
    const rows = where((row) => row.meter_id === bytes.id && row.type === 'consumption');
    assert.equal(rows.length, 1);
    holds(await list({ meter_id: bytes.id, type: 'consumption' }), rows);
    holds(await list({ meter_id: 'mtr_nothing' }), []);
  });

  test('by source: the rows of one event, one for each grant drawn on', async () => {
    const rows = where((row) => row.meter_event_id === events.both.id);
    assert.deepEqual(rows.map((row) => row.amount), ['-200', '-100']);
    assert.deepEqual(rows.map((row) => row.credit_grant_id), [grants.first.id, grants.second.id]);
    holds(await list({ source: events.both.id }), rows);
    holds(await list({ source: 'me_nothing' }), []);
  });

  test('by subscription', async () => {
    const rows = where((row) => row.subscription_id === sub);
    assert.equal(rows.length, 1);
    assert.equal(rows[0].meter_event_id, events.sub.id);
    holds(await list({ subscription_id: sub }), rows);
    holds(await list({ customer_id: bob, subscription_id: sub }), []);
  });

  test('by time of creation', async () => {
    holds(await list({ customer_id: ann, start: at(-60), end: at(60) }), all);
    holds(await list({ customer_id: ann, start: at(60) }), []);
    holds(await list({ customer_id: ann, end: at(-60) }), []);
  });

  test('the summary sums what the same filters leave', async () => {
    const { payment } = world;
    const own = await payment.creditTransactions.summary({ customer_id: ann, meter_id: calls.id });
    assert.equal(own.transaction_count, 3);
    assert.equal(own.total_credit_amount, String(units('4', 2)));
    assert.equal(own.total_quantity, '400');
    assert.equal(own.filters.customer_id, ann);
    assert.equal(own.filters.meter_id, calls.id);
    const everyone = await payment.creditTransactions.summary({ meter_id: calls.id });
    assert.equal(everyone.transaction_count, 4);
    assert.equal(everyone.total_credit_amount, '900');
    const bySub = await payment.creditTransactions.summary({ subscription_id: sub });
    assert.equal(bySub.transaction_count, 1);
    assert.equal(bySub.total_credit_amount, '100');
    const [start, end] = [at(-60), at(60)];
    const span = await payment.creditTransactions.summary({ customer_id: bob, currency_id: calls.currency_id, start, end });
    assert.equal(span.total_credit_amount, '500');
    assert.equal(span.filters.start_time, start);
    assert.equal(span.filters.end_time, end);
    const none = await payment.creditTransactions.summary({ customer_id: newDID() });
    assert.equal(none.transaction_count, 0);
    assert.equal(none.total_credit_amount, '0');
  });
});

describe('pending amount', () => {
  test('by customer, currency and subscription', async () => {
    const { payment } = world;
    const calls = await world.meter();
    const bytes = await world.meter();
    const [ann, bob] = [newDID(), newDID()];
    const sub = unique('sub');
    await world.report(calls, ann, '1');
    await world.report(calls, ann, '2', { payload: { subscription_id: sub } });
    await world.report(bytes, ann, '4');
    await world.report(calls, bob, '8');
    const pending = (q) => payment.meterEvents.pendingAmount(q);
    const [c, b] = [calls.currency_id, bytes.currency_id];
    assert.deepEqual(await pending({ customer_id: ann }), { [c]: '300', [b]: '400' });
    assert.deepEqual(await pending({ customer_id: ann, currency_id: b }), { [b]: '400' });
    assert.deepEqual(await pending({ customer_id: ann, subscription_id: sub }), { [c]: '200' });
    assert.deepEqual(await pending({ subscription_id: sub }), { [c]: '200' });
    assert.deepEqual(await pending({ currency_id: c }), { [c]: '1100' });
    assert.deepEqual(await pending({ customer_id: newDID() }), {});
  });
});
