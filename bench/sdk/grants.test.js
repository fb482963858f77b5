'use strict';
// What can be done to a grant once it is made: void, early expiry, metadata.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, refused, assertErrorBody, newDID, at } = require('./fixture');

const world = open();
const HOUR = 60 * 60;

/** A customer with a grant of 10 of which 3 are consumed. */
async function partlyUsed(more) {
  const meter = await world.meter();
  const did = newDID();
  const grant = await world.grant(meter, did, '10', more);
  await world.report(meter, did, '3');
  return { meter, did, grant };
}

const lines = (rows) => rows.map((row) => `${row.type} ${row.amount}`);

describe('void', () => {
  test('takes what remains, leaves an adjustment row, and can be repeated', async () => {
    const { meter, did, grant } = await partlyUsed();
    const from = at();
    const { status, body } = await world.voidGrant(grant);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.id, grant.id);
    assert.equal(body.status, 'voided');
    assert.equal(body.amount, '1000');
    assert.equal(body.remaining_amount, '0');
    assert.equal(body.voided_amount, '700');
    assert.ok(body.voided_at >= from && body.voided_at <= at(), String(body.voided_at));
    assert.deepEqual(await world.voidGrant(grant), { status, body }, 'the same answer again');
    const rows = await world.rows(did);
    assert.deepEqual(lines(rows), ['grant 1000', 'consumption -300', 'adjustment -700']);
    assert.equal(rows.at(-1).running_balance, '0');
    assert.equal(rows.at(-1).credit_grant_id, grant.id);
    assert.equal(await world.remaining(meter, did), '0');
    assert.deepEqual(await world.payment.creditGrants.retrieve(grant.id), body);
  });

  test('leaves the other grants, and pays for nothing afterwards', async () => {
    const { meter, did, grant } = await partlyUsed({ priority: 1 });
    await world.grant(meter, did, '5');
    await world.voidGrant(grant);
    assert.equal(await world.remaining(meter, did), '500');
    assert.equal((await world.report(meter, did, '6')).credit_pending, '100');
  });

  test('of a grant that is not effective yet', async () => {
    const meter = await world.meter();
    const grant = await world.grant(meter, newDID(), '10', { effective_at: at(HOUR) });
    const { status, body } = await world.voidGrant(grant);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.status, 'voided');
    assert.equal(body.voided_amount, '1000');
  });

  test('is refused where nothing remains', async () => {
    const { payment } = world;
    const { meter, did, grant } = await partlyUsed();
    await payment.creditGrants.update(grant.id, { expired: true });
    const spent = await world.grant(meter, did, '1');
    await world.report(meter, did, '1');
    for (const ended of [grant, spent]) {
      const { status, body } = await world.voidGrant(ended);
      assert.equal(status, 409, JSON.stringify(body));
      assertErrorBody(body, {});
    }
    const unknown = await world.raw('POST', '/api/credit-grants/cg_nothing/void?livemode=true');
    assert.equal(unknown.status, 404);
    assertErrorBody(unknown.body, {});
  });
});

describe('early expiry', () => {
  test('forfeits what remains and leaves an expiration row', async () => {
    const { payment } = world;
    const { meter, did, grant } = await partlyUsed();
    assert.deepEqual(await payment.creditGrants.update(grant.id, { expired: true }), { success: true });
    const expired = await payment.creditGrants.retrieve(grant.id);
    assert.equal(expired.status, 'expired');
    assert.equal(expired.remaining_amount, '0');
    assert.equal(expired.expired_amount, '700');
    assert.equal(expired.amount, '1000');
    assert.deepEqual(lines(await world.rows(did)), ['grant 1000', 'consumption -300', 'expiration -700']);
    assert.equal(await world.remaining(meter, did), '0');
  });

  test('works on pending and granted grants only', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const spent = await world.grant(meter, did, '1');
    await world.report(meter, did, '1');
    const voided = await world.grant(meter, did, '1');
    await world.voidGrant(voided);
    for (const grant of [spent, voided]) {
      await refused(payment.creditGrants.update(grant.id, { expired: true }), { status: 409 });
    }
    assert.equal((await payment.creditGrants.retrieve(spent.id)).status, 'depleted');
    assert.equal((await payment.creditGrants.retrieve(voided.id)).status, 'voided');
  });
});

describe('metadata', () => {
  test('is merged; null takes a key away', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const grant = await world.grant(meter, newDID(), '10', { metadata: { granted_by: 'ann', reason: 'welcome' } });
    assert.deepEqual(grant.metadata, { granted_by: 'ann', reason: 'welcome' });
    const update = async (metadata) => {
      assert.deepEqual(await payment.creditGrants.update(grant.id, { metadata }), { success: true });
      return (await payment.creditGrants.retrieve(grant.id)).metadata;
    };
    assert.deepEqual(await update({ invoice_id: 'in_1' }), { granted_by: 'ann', reason: 'welcome', invoice_id: 'in_1' });
    assert.deepEqual(await update({ reason: null }), { granted_by: 'ann', invoice_id: 'in_1' });
    assert.deepEqual(await update({ reason: { nested: [1, 'two', { three: 3 }] }, granted_by: 'bob', nobody: null }),
      { granted_by: 'bob', invoice_id: 'in_1', reason: { nested: [1, 'two', { three: 3 }] } });
    assert.deepEqual(await update({}), { granted_by: 'bob', invoice_id: 'in_1', reason: { nested: [1, 'two', { three: 3 }] } });
    const now = await payment.creditGrants.retrieve(grant.id);
    assert.equal(now.remaining_amount, '1000');
    assert.equal(now.status, 'granted');
  });

  test('stays changeable after the grant has ended', async () => {
    const { grant } = await partlyUsed();
    await world.voidGrant(grant);
    assert.deepEqual(await world.payment.creditGrants.update(grant.id, { metadata: { note: 'refunded' } }), { success: true });
    assert.deepEqual((await world.payment.creditGrants.retrieve(grant.id)).metadata, { note: 'refunded' });
  });

  test('of events and meters comes back as it was sent', async () => {
    const metadata = { model: 'large', 'öäü 漢字 🎉': '"quoted" \\ \n', n: 1.5, list: [], deep: { a: null } };
    const meter = await world.meter({ metadata });
    assert.deepEqual(meter.metadata, metadata);
    const source_data = { conversation: 'c1', url: 'x' };
    const event = await world.report(meter, newDID(), '1', { metadata, source_data });
    assert.deepEqual(event.metadata, metadata);
    const stored = await world.payment.meterEvents.retrieve(event.id);
    assert.deepEqual(stored.metadata, metadata);
    assert.deepEqual(stored.source_data, source_data);
    const fields = [{ key: 'k', label: { en: 'Key', zh: '键' }, value: 'v', type: 'text' }];
    const listed = await world.report(meter, newDID(), '1', { source_data: fields });
    assert.deepEqual((await world.payment.meterEvents.retrieve(listed.id)).source_data, fields);
  });
});
