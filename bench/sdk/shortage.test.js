'use strict';
// Usage beyond the balance: what is there is consumed, the rest is owed, and
// whatever brings credit pays it, oldest first.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, newDID, unique, sum } = require('./fixture');

const world = open();

/** What an event shows of its payment. */
const paid = ({ status, credit_consumed, credit_pending }) => [status, credit_consumed, credit_pending];

describe('a shortage', () => {
  test('takes what is there and owes the rest', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const grant = await world.grant(meter, did, '5');
    const event = await world.report(meter, did, '8');
    assert.deepEqual(paid(event), ['requires_capture', '500', '300']);
    assert.deepEqual(paid(await payment.meterEvents.retrieve(event.id)), ['requires_capture', '500', '300']);
    assert.equal(await world.pending(meter, did), '300');
    assert.equal(await world.remaining(meter, did), '0');
    assert.equal((await payment.creditGrants.retrieve(grant.id)).status, 'depleted');
    assert.deepEqual(await payment.creditGrants.summary({ customer_id: did }), {});
    const next = await world.report(meter, did, '1.25');
    assert.deepEqual(paid(next), ['requires_capture', '0', '125']);
    assert.equal(await world.pending(meter, did), '425');
  });

  test('of a customer that nobody knows: no usage is lost', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    const event = await world.report(meter, did, '10');
    assert.deepEqual(paid(event), ['requires_capture', '0', '1000']);
    assert.equal((await payment.customers.retrieve(did)).did, did);
    assert.equal(await world.pending(meter, did), '1000');
  });

  test('of an event that costs nothing is none', async () => {
    const meter = await world.meter();
    const did = newDID();
    assert.deepEqual(paid(await world.report(meter, did, '0')), ['completed', '0', '0']);
    await world.report(meter, did, '1');
    assert.deepEqual(paid(await world.report(meter, did, '0')), ['completed', '0', '0']);
    assert.equal((await world.payment.meterEvents.list({ customer_id: did })).total, 3);
  });
});

describe('settlement', () => {
  test('oldest first, in part if it has to be, and then the balance', async () => {
    const { payment } = world;
    const meter = await world.meter();
    const did = newDID();
    await world.grant(meter, did, '5');
    const first = await world.report(meter, did, '8');
    const second = await world.report(meter, did, '4');
    const third = await world.report(meter, did, '1');
    const now = async () => {
      const events = await Promise.all([first, second, third].map(({ id }) => payment.meterEvents.retrieve(id)));
      return events.map(paid);
    };
    assert.equal(await world.pending(meter, did), '800');

    const topUp = await world.grant(meter, did, '5');
    assert.deepEqual(await now(), [['completed', '800', '0'], ['requires_capture', '200', '200'], ['requires_capture', '0', '100']]);
    assert.equal(await world.pending(meter, did), '300');
    assert.equal(topUp.remaining_amount, '0', 'the answer shows the commit that brought the credit');
    assert.equal(topUp.status, 'depleted');

    await world.grant(meter, did, '10');
    assert.deepEqual(await now(), [['completed', '800', '0'], ['completed', '400', '0'], ['completed', '100', '0']]);
    assert.deepEqual(await payment.meterEvents.pendingAmount({ customer_id: did }), {});
    assert.equal(await world.remaining(meter, did), '700');

    const rows = await world.rows(did, { type: 'consumption' });
    assert.deepEqual(
      rows.map((row) => [row.meter_event_id, row.amount]),
      [[first.id, '-500'], [first.id, '-300'], [second.id, '-200'], [second.id, '-200'], [third.id, '-100']],
    );
    const all = await world.rows(did);
    assert.equal(String(sum(all.map((row) => row.amount))), '700', "the rows add up to the balance");
    assert.equal(all.at(-1).running_balance, '700');
  });

  test('new usage does not overtake what is owed', async () => {
    const { payment } = world;
    const meter = await world.meter({ decimal: 0 });
    const did = newDID();
    const old = await world.report(meter, did, '10');
    await world.grant(meter, did, '4');
    const late = await world.report(meter, did, '1');
    assert.deepEqual(paid(late), ['requires_capture', '0', '1']);
    assert.deepEqual(paid(await payment.meterEvents.retrieve(old.id)), ['requires_capture', '4', '6']);
  });

  test('a repeat shows the event as it stands now', async () => {
    const meter = await world.meter();
    const did = newDID();
    const identifier = unique('owed');
    const first = await world.report(meter, did, '3', { identifier });
    assert.deepEqual(paid(first), ['requires_capture', '0', '300']);
    await world.grant(meter, did, '5');
    const again = await world.report(meter, did, '3', { identifier });
    assert.equal(again.id, first.id);
    assert.equal(again.duplicate, true);
    assert.deepEqual(paid(again), ['completed', '300', '0']);
    assert.equal(await world.remaining(meter, did), '200');
  });

  test('another currency, another customer, a void do not settle', async () => {
    const meter = await world.meter();
    const other = await world.meter();
    const did = newDID();
    await world.report(meter, did, '3');
    await world.grant(other, did, '100');
    await world.grant(meter, newDID(), '100');
    assert.equal(await world.pending(meter, did), '300');
    assert.equal(await world.remaining(other, did), '10000');
  });

  test('a grant for one price leaves what other subscriptions owe', async () => {
    const { payment } = world;
    const meter = await world.meter({ decimal: 0 });
    const did = newDID();
    const [price, sub] = [unique('price'), unique('sub')];
    await world.setPrices(sub, [price]);
    const plain = await world.report(meter, did, '3');
    const covered = await world.report(meter, did, '4', { payload: { subscription_id: sub } });
    const scoped = await world.grant(meter, did, '10', { applicability_config: { scope: { prices: [price] } } });
    assert.deepEqual(paid(await payment.meterEvents.retrieve(plain.id)), ['requires_capture', '0', '3']);
    assert.deepEqual(paid(await payment.meterEvents.retrieve(covered.id)), ['completed', '4', '0']);
    assert.equal((await payment.creditGrants.retrieve(scoped.id)).remaining_amount, '6');
  });
});

test('two meters draw on one currency', async () => {
  const chat = await world.meter({ name: 'chat' });
  const image = await world.meter({ name: 'image', currency_id: chat.currency_id });
  assert.equal(image.currency_id, chat.currency_id);
  const did = newDID();
  await world.grant(chat, did, '10');
  await world.report(chat, did, '4');
  const event = await world.report(image, did, '7');
  assert.deepEqual(paid(event), ['requires_capture', '600', '100']);
});
