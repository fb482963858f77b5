'use strict';
// What is counted over time and over customers.

const assert = require('node:assert/strict');
const { before, describe, test } = require('node:test');

const { open, refused, newDID, unique, at } = require('./fixture');

const world = open();
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('usage by minute, hour and day', () => {
  const noon = Math.floor(Date.now() / 1000 / DAY) * DAY - 2 * DAY + 12 * HOUR; // of the day before yesterday, UTC
  let meter, ann, bob;

  before(async () => {
    meter = await world.meter();
    ann = newDID();
    bob = newDID();
    const usage = [
      [ann, '1', noon + 10],
      [ann, '2', noon + 50],
      [bob, '4', noon + 59],
      [ann, '8', noon + 5 * MINUTE],
      [bob, '16', noon + HOUR],
      [ann, '32', noon + DAY],
      [ann, '64', noon + 12 * HOUR - 1], // the last second of the day
    ];
    await Promise.all(usage.map(([did, value, timestamp]) => world.report(meter, did, value, { timestamp })));
  });

  /** The rows in which something was counted: [start, events, value]. */
  async function rows(granularity, more = {}) {
    const span = { start: noon - HOUR, end: noon + 2 * DAY };
    const answer = await world.payment.meterEvents.stats({ meter_id: meter.id, ...span, granularity, ...more });
    assert.equal(answer.count, answer.list.length);
    for (const { date, timestamp } of answer.list) {
      const iso = new Date(Number(timestamp) * 1000).toISOString();
      assert.ok(date.startsWith(iso.slice(0, 10)), `${date} is ${iso}`);
    }
    return answer.list
      .filter((row) => row.event_count > 0)
      .map((row) => [Number(row.timestamp) - noon, row.event_count, row.total_value])
      .sort(([a], [b]) => a - b);
  }

  test('by minute', async () => {
    assert.deepEqual(await rows('minute'), [
      [0, 3, '700'],
      [5 * MINUTE, 1, '800'],
      [HOUR, 1, '1600'],
      [12 * HOUR - MINUTE, 1, '6400'],
      [DAY, 1, '3200'],
    ]);
  });

  test('by hour', async () => {
    assert.deepEqual(await rows('hour'), [
      [0, 4, '1500'],
      [HOUR, 1, '1600'],
      [11 * HOUR, 1, '6400'],
      [DAY, 1, '3200'],
    ]);
  });

  test('by day', async () => {
    assert.deepEqual(await rows('day'), [
      [-12 * HOUR, 6, '9500'],
      [12 * HOUR, 1, '3200'],
    ]);
  });

  test('of one customer, of a part of the time', async () => {
    assert.deepEqual(await rows('hour', { customer_id: bob }), [[0, 1, '400'], [HOUR, 1, '1600']]);
    assert.deepEqual(await rows('hour', { start: noon + 30, end: noon + 10 * MINUTE }), [[0, 3, '1400']]);
    assert.deepEqual(await rows('day', { customer_id: newDID() }), []);
  });

  test('what has to be said', async () => {
    const stats = (q) => world.payment.meterEvents.stats(q);
    await refused(stats({ start: 0, end: 1 }), { status: 400, param: 'meter_id' });
    await refused(stats({ meter_id: meter.id, end: noon }), { status: 400, param: 'start' });
    await refused(stats({ meter_id: meter.id, start: noon }), { status: 400, param: 'end' });
    await refused(stats({ meter_id: meter.id, start: noon, end: noon + 1, granularity: 'week' }), { status: 400, param: 'granularity' });
  });
});

describe('availability', () => {
  test('as long as something is left', async () => {
    const meter = await world.meter();
    const did = newDID();
    const { currency_id } = meter;
    const verify = (more) => world.payment.creditGrants.verifyAvailability({ customer_id: did, currency_id, ...more });
    const nobody = await verify();
    assert.equal(nobody.can_continue, false);
    assert.equal(typeof nobody.reason, 'string');
    await world.grant(meter, did, '1');
    assert.equal((await verify()).can_continue, true);
    await world.report(meter, did, '3');
    const pending = await world.pending(meter, did);
    const broke = await verify({ pending_amount: pending, max_pending_amount: '100', max_recharge_times: 3 });
    assert.equal(broke.can_continue, false);
    assert.equal(typeof broke.reason, 'string');
    await world.grant(meter, did, '10');
    assert.equal((await verify()).can_continue, true);
  });

  test('has to be told of whom and of what', async () => {
    const verify = (q) => world.payment.creditGrants.verifyAvailability(q);
    const { currency_id } = await world.meter();
    await refused(verify({ currency_id }), { status: 400, param: 'customer_id' });
    await refused(verify({ customer_id: newDID() }), { status: 400, param: 'currency_id' });
    await refused(verify({ customer_id: newDID(), currency_id, pending_amount: '1.5' }), { status: 400, param: 'pending_amount' });
  });
});

test('holders are the customers with something left', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const [rich, poor, spent, ended] = [newDID(), newDID(), newDID(), newDID()];
  await world.grant(meter, rich, '10');
  await world.grant(meter, rich, '5');
  await world.grant(meter, poor, '1');
  await world.grant(meter, spent, '1');
  await world.report(meter, spent, '1');
  await payment.creditGrants.update((await world.grant(meter, ended, '1')).id, { expired: true });
  await world.report(meter, rich, '2.50');
  const { holders, paging, currency } = await payment.creditGrants.holders({ currency_id: meter.currency_id });
  const balances = Object.fromEntries(holders.map((h) => [h.customer_id, [h.balance, h.grantCount]]));
  assert.deepEqual(balances, { [rich]: ['1250', 2], [poor]: ['100', 1] });
  assert.equal(paging.total, 2);
  assert.equal(currency.id, meter.currency_id);
  assert.equal(currency.symbol, 'calls');
});

test('grants, in sum and by day', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const granted_by = newDID();
  const did = newDID();
  await world.grant(meter, did, '10', { metadata: { granted_by }, priority: 1 });
  await world.grant(meter, did, '20', { metadata: { granted_by }, category: 'paid' });
  await world.grant(meter, newDID(), '40', { category: 'paid' });
  await world.report(meter, did, '12');
  const { currency_id } = meter;
  const span = { currency_id, start_date: at(-DAY), end_date: at(DAY) };
  const sums = (s) => [s.grant_count, s.total_granted, s.total_remaining, s.total_consumed];

  const all = await payment.creditGrants.stats(span);
  assert.equal(all.stats.currency_id, currency_id);
  assert.equal(all.stats.currency.decimal, 2);
  assert.deepEqual(sums(all.stats), [3, '7000', '5800', '1200']);
  const days = all.daily_stats.filter((day) => day.grant_count > 0);
  const total = days.reduce((n, day) => n + day.grant_count, 0);
  assert.equal(total, 3);
  for (const day of days) {
    assert.match(day.date, /^\d{4}-\d\d-\d\d$/);
    assert.equal(day.currency_id, currency_id);
  }

  const gifts = await payment.creditGrants.stats({ ...span, granted_by });
  assert.deepEqual(sums(gifts.stats), [2, '3000', '1800', '1200']);
  const paid = await payment.creditGrants.stats({ ...span, category: 'paid' });
  assert.deepEqual(sums(paid.stats), [2, '6000', '5800', '200']);
  const before = await payment.creditGrants.stats({ ...span, end_date: at(-DAY / 2) });
  assert.deepEqual(sums(before.stats), [0, '0', '0', '0']);
  for (const timezone_offset of [-720, 0, 840]) {
    const zoned = await payment.creditGrants.stats({ ...span, timezone_offset });
    assert.deepEqual(sums(zoned.stats), [3, '7000', '5800', '1200']);
  }
  await refused(payment.creditGrants.stats({ currency_id, end_date: at() }), { status: 400, param: 'start_date' });
  await refused(payment.creditGrants.stats({ start_date: 0, end_date: at() }), { status: 400, param: 'currency_id' });
});

test('the summary of transactions is of usage', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const did = newDID();
  await world.grant(meter, did, '10');
  await world.report(meter, did, '1');
  await world.report(meter, did, '2', { payload: { subscription_id: unique('sub') } });
  const summary = await payment.creditTransactions.summary({ customer_id: did });
  assert.equal(summary.transaction_count, 2);
  assert.equal(summary.total_credit_amount, '300');
  assert.equal(summary.total_quantity, '300');
  assert.equal(summary.filters.customer_id, did);
});
