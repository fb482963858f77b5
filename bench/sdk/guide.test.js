'use strict';
// PaymentKit's guide to credit-based billing from end to end, with the calls
// that a reader of the guide makes and the fields that he reads.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, newDID, unique, at, units } = require('./fixture');

const world = open();
const DAY = 24 * 60 * 60;

describe('the guide', () => {
  const customerId = newDID();
  let meter;
  let grant;
  let event;

  test('step by step: meter, grant, usage, the same usage again, balance, history', async (t) => {
    const { payment } = world;

    await t.test('1. a meter, without a currency', async () => {
      meter = await payment.meters.create({
        name: 'API Calls',
        event_name: 'api.calls.v1',
        aggregation_method: 'sum',
        unit: 'calls',
        description: 'Tracks the number of API calls made by a customer.',
      });
      assert.match(meter.id, /^mtr_\w+$/);
      assert.equal(meter.object, 'meter');
      assert.equal(meter.name, 'API Calls');
      assert.equal(meter.event_name, 'api.calls.v1');
      assert.equal(meter.aggregation_method, 'sum');
      assert.equal(meter.unit, 'calls');
      assert.equal(meter.status, 'active');
      assert.equal(meter.livemode, true);
      assert.match(meter.currency_id, /^pc_\w+$/);
      assert.equal(meter.paymentCurrency.id, meter.currency_id);
      assert.equal(meter.paymentCurrency.decimal, 2);
      assert.equal(meter.paymentCurrency.type, 'credit');
      assert.equal(meter.created_at, new Date(meter.created_at).toISOString());
    });

    await t.test('2. 1,000 credits for a customer that nobody has seen', async () => {
      const expiresAt = at(30 * DAY);
      grant = await payment.creditGrants.create({
        customer_id: customerId,
        currency_id: meter.currency_id,
        amount: '1000',
        name: 'New User Bonus',
        category: 'promotional',
        expires_at: expiresAt,
      });
      assert.match(grant.id, /^cg_\w+$/);
      assert.equal(grant.object, 'credit_grant');
      assert.equal(grant.status, 'granted');
      assert.equal(grant.amount, '100000');
      assert.equal(grant.remaining_amount, '100000');
      assert.equal(grant.customer_id, customerId);
      assert.equal(grant.currency_id, meter.currency_id);
      assert.equal(grant.category, 'promotional');
      assert.equal(grant.name, 'New User Bonus');
      assert.equal(grant.priority, 50);
      assert.equal(grant.expires_at, expiresAt);
      assert.equal(grant.paymentCurrency.decimal, 2);
    });

    const usage = {
      event_name: 'api.calls.v1',
      payload: { customer_id: customerId, value: '10' },
      identifier: unique('req'),
      timestamp: at(),
    };

    await t.test('3. usage of 10, consumed when the answer comes', async () => {
      event = await payment.meterEvents.create(usage);
      assert.match(event.id, /^me_\w+$/);
      assert.equal(event.object, 'meter_event');
      assert.equal(event.status, 'completed');
      assert.equal(event.event_name, 'api.calls.v1');
      assert.equal(event.identifier, usage.identifier);
      assert.equal(event.timestamp, usage.timestamp);
      assert.deepEqual(event.payload, { customer_id: customerId, value: '10' });
      assert.equal(event.credit_consumed, '1000');
      assert.equal(event.credit_pending, '0');
      assert.equal(event.livemode, true);
      assert.ok(!event.duplicate);
    });

    await t.test('the same usage again: a success that counts nothing', async () => {
      const again = await payment.meterEvents.create(usage);
      assert.deepEqual(again, { ...event, duplicate: true });
    });

    await t.test('4. the balance', async () => {
      const summary = await payment.creditGrants.summary({ customer_id: customerId });
      assert.deepEqual(Object.keys(summary), [meter.currency_id]);
      const own = summary[meter.currency_id];
      assert.equal(own.remainingAmount, '99000');
      assert.equal(own.totalAmount, '100000');
      assert.equal(own.remaining, '990');
      assert.equal(own.total, '1000');
      assert.equal(own.grantCount, 1);
      assert.equal(own.paymentCurrency.id, meter.currency_id);
      assert.equal(own.paymentCurrency.decimal, 2);
    });

    await t.test('5. the history, as readers of either generation take it', async () => {
      const transactions = await payment.creditTransactions.list({ customer_id: customerId, page: 1, pageSize: 20 });
      assert.equal(transactions.count, 2);
      assert.equal(transactions.total, 2);
      assert.equal(transactions.list.length, 2);
      assert.deepEqual(transactions.data, transactions.list);
      assert.deepEqual(transactions.paging, { page: 1, pageSize: 20, totalPages: 1 });
      const lines = transactions.data.map((tx) => `${tx.type}: ${tx.amount}`);
      assert.deepEqual(lines, ['consumption: -1000', 'grant: 100000']);
      const [consumed, granted] = transactions.list;
      assert.equal(granted.running_balance, '100000');
      assert.equal(granted.credit_grant_id, grant.id);
      assert.equal(granted.credit_amount, '100000');
      assert.match(consumed.id, /^ct_\w+$/);
      assert.equal(consumed.object, 'credit_transaction');
      assert.equal(consumed.running_balance, '99000');
      assert.equal(consumed.remaining_balance, '99000');
      assert.equal(consumed.credit_amount, '1000');
      assert.equal(consumed.quantity, '1000');
      assert.equal(consumed.customer_id, customerId);
      assert.equal(consumed.credit_grant_id, grant.id);
      assert.equal(consumed.meter_id, meter.id);
      assert.equal(consumed.meter_event_id, event.id);
      assert.equal(consumed.meter_event_name, 'api.calls.v1');
      assert.equal(consumed.meter_unit, 'calls');
      assert.equal(consumed.source, event.id);
      assert.equal(consumed.livemode, true);
      assert.equal(consumed.paymentCurrency.decimal, 2);
      assert.equal(consumed.creditGrant.id, grant.id);
      assert.equal(consumed.meter.unit, 'calls');
    });

    await t.test('each object is found again under its id', async () => {
      assert.deepEqual(await payment.meters.retrieve(meter.id), meter);
      assert.deepEqual(await payment.meters.retrieve('api.calls.v1'), meter);
      assert.deepEqual(await payment.meterEvents.retrieve(event.id), event);
      const grantNow = await payment.creditGrants.retrieve(grant.id);
      assert.equal(grantNow.remaining_amount, '99000');
      assert.equal(grantNow.amount, '100000');
      assert.equal(grantNow.customer.did, customerId);
      const { list } = await payment.creditTransactions.list({ customer_id: customerId });
      for (const row of list) {
        const alone = await payment.creditTransactions.retrieve(row.id);
        for (const field of ['id', 'type', 'amount', 'running_balance', 'credit_grant_id', 'created_at']) {
          assert.equal(alone[field], row[field], field);
        }
      }
    });
  });

  test("the package's own example: a cus_ id, a subscription, pages", async () => {
    const { payment } = world;
    const own = await world.meter();
    const cus = unique('cus');
    await world.grant(own, cus, '1000', { name: 'New user bonus credits', expires_at: at(30 * DAY) });
    const reported = await payment.meterEvents.create({
      event_name: own.event_name,
      payload: { customer_id: cus, value: '10', subscription_id: 'sub_example' },
      identifier: unique('unique'),
      timestamp: at(),
    });
    assert.equal(reported.payload.subscription_id, 'sub_example');
    assert.equal(reported.credit_consumed, String(units('10', 2)));
    assert.equal(await world.remaining(own, cus), '99000');
    const { count } = await payment.creditTransactions.list({ customer_id: cus, page: 1, pageSize: 20 });
    assert.equal(count, 2);
  });

  test('all the ways of writing ten', async () => {
    const own = await world.meter();
    const did = newDID();
    await world.grant(own, did, 1000); // a bare number, by its literal text
    for (const value of ['10', 10, '10.0', '10.00', 10.0]) {
      const { credit_consumed: consumed } = await world.report(own, did, value);
      assert.equal(consumed, '1000', `value ${JSON.stringify(value)}`);
    }
    assert.equal(await world.remaining(own, did), '95000');
  });
});
