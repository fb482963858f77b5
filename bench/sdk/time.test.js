'use strict';
// What happens by time alone: expiry and activation.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, refused, newDID, at, until } = require('./fixture');

const world = open();
const HOUR = 60 * 60;
const SOON = 3; // seconds: enough for the calls that have to come before
const GRACE_MS = 1500; // within which what is due has happened without a touch

describe('by time', { concurrency: 20 }, () => {
  test('a grant expires without anybody touching it', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const expires_at = at(SOON);
    const grant = await world.grant(meter, did, '10', { expires_at });
    await world.report(meter, did, '3');
    await until(expires_at, GRACE_MS);
    const rows = await world.rows(did); // the first touch, and a read
    assert.deepEqual(rows.map((row) => `${row.type} ${row.amount}`), ['grant 1000', 'consumption -300', 'expiration -700']);
    const row = rows.at(-1);
    assert.equal(row.credit_grant_id, grant.id);
    assert.equal(row.running_balance, '0');
    assert.equal(row.remaining_balance, '0');
    assert.ok(Date.parse(row.created_at) >= expires_at * 1000, row.created_at);
    assert.ok(Date.parse(row.created_at) <= expires_at * 1000 + GRACE_MS, row.created_at);
    const expired = await payment.creditGrants.retrieve(grant.id);
    assert.equal(expired.status, 'expired');
    assert.equal(expired.amount, '1000');
    assert.equal(expired.remaining_amount, '0');
    assert.equal(expired.expired_amount, '700');
    assert.deepEqual(await payment.creditGrants.summary({ customer_id: did }), {});
    const { count } = await payment.creditGrants.list({ customer_id: did, status: 'expired' });
    assert.equal(count, 1);
  });

  test('an expired grant pays for nothing, from the second on in which it expires', async () => {
    const meter = await world.meter();
    const did = newDID();
    const expires_at = at(SOON);
    await world.grant(meter, did, '10', { expires_at });
    await until(expires_at);
    const before = { timestamp: expires_at - 1 }; // the usage's own time does not matter
    const event = await world.report(meter, did, '3', before);
    assert.equal(event.credit_consumed, '0');
    assert.equal(event.status, 'requires_capture');
    const rows = await world.rows(did);
    assert.deepEqual(rows.map((row) => `${row.type} ${row.amount}`), ['grant 1000', 'expiration -1000']);
  });

  test('an event dated after the expiry draws on a grant that has not expired yet', async () => {
    const meter = await world.meter();
    const did = newDID();
    await world.grant(meter, did, '10', { expires_at: at(60) });
    const event = await world.report(meter, did, '3', { timestamp: at(HOUR / 2) });
    assert.equal(event.credit_consumed, '300');
  });

  test('a grant is pending until it is effective, then granted, untouched', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const effective_at = at(SOON);
    const grant = await world.grant(meter, did, '10', { effective_at });
    assert.equal(grant.status, 'pending');
    assert.equal(grant.effective_at, effective_at);
    assert.deepEqual(await payment.creditGrants.summary({ customer_id: did }), {});
    await until(effective_at, GRACE_MS);
    assert.equal((await payment.creditGrants.retrieve(grant.id)).status, 'granted');
    assert.equal(await world.remaining(meter, did), '1000');
  });

  test('an activation pays what was owed, untouched', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const effective_at = at(SOON);
    const grant = await world.grant(meter, did, '10', { effective_at });
    const event = await world.report(meter, did, '3');
    assert.equal(event.status, 'requires_capture');
    assert.equal(event.credit_pending, '300');
    await until(effective_at, GRACE_MS);
    const settled = await payment.meterEvents.retrieve(event.id);
    assert.equal(settled.status, 'completed');
    assert.equal(settled.credit_consumed, '300');
    assert.equal(settled.credit_pending, '0');
    assert.equal((await payment.creditGrants.retrieve(grant.id)).remaining_amount, '700');
    assert.deepEqual(await payment.meterEvents.pendingAmount({ customer_id: did }), {});
  });

  test('a grant is effective from the second on that it names', async () => {
    const meter = await world.meter();
    const did = newDID();
    const effective_at = at(SOON);
    await world.grant(meter, did, '10', { effective_at });
    await until(effective_at);
    assert.equal((await world.report(meter, did, '3')).credit_consumed, '300');
  });

  test('a grant that was never effective can be ended early', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const effective_at = at(SOON);
    const grant = await world.grant(meter, did, '10', { effective_at });
    assert.deepEqual(await payment.creditGrants.update(grant.id, { expired: true }), { success: true });
    await until(effective_at, GRACE_MS);
    const ended = await payment.creditGrants.retrieve(grant.id);
    assert.equal(ended.status, 'expired');
    assert.equal(ended.remaining_amount, '0');
    assert.equal(await world.remaining(meter, did), '0');
  });

  test('expiry, then activation, at one instant: no credit is lost between', async () => {
    const meter = await world.meter();
    const did = newDID();
    const change = at(SOON);
    await world.grant(meter, did, '10', { expires_at: change });
    await world.grant(meter, did, '20', { effective_at: change });
    assert.equal((await world.report(meter, did, '12')).credit_pending, '200');
    await until(change, GRACE_MS);
    assert.equal(await world.remaining(meter, did), '1800');
    assert.deepEqual(
      (await world.rows(did)).filter((row) => row.type !== 'grant').map((row) => `${row.type} ${row.amount}`),
      ['consumption -1000', 'consumption -200'],
    );
  });
});

describe('times that make no sense', () => {
  test('a grant that ends before it begins, or has ended already', async () => {
    const meter = await world.meter();
    const grant = (more) => world.grant(meter, newDID(), '1', more);
    await refused(grant({ effective_at: at(HOUR), expires_at: at(HOUR) }), { status: 400, param: 'expires_at' });
    await refused(grant({ expires_at: at(-1) }), { status: 400, param: 'expires_at' });
    await refused(grant({ expires_at: String(at(HOUR)) }), { status: 400, param: 'expires_at' });
  });

  test('0 means never', async () => {
    const meter = await world.meter();
    const grant = await world.grant(meter, newDID(), '1', { expires_at: 0 });
    assert.equal(grant.status, 'granted');
    assert.ok(!grant.expires_at);
  });

  test('usage more than an hour ahead, and milliseconds', async () => {
    const meter = await world.meter();
    const did = newDID();
    await world.grant(meter, did, '10');
    for (const timestamp of [at(HOUR + 60), Date.now()]) {
      await refused(world.report(meter, did, '1', { timestamp }), { status: 400, param: 'timestamp' });
    }
    assert.equal(await world.remaining(meter, did), '1000');
    assert.equal((await world.report(meter, did, '1', { timestamp: at(HOUR - 60) })).status, 'completed');
  });
});
