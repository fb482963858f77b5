'use strict';
// Which grants an event draws on, and in which order.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, refused, newDID, unique, at } = require('./fixture');

const world = open();
const DAY = 24 * 60 * 60;

/**
 * Grants one credit for each entry, in an order that is not the expected one, has
 * them all drawn on, and asserts in which order that happened.
 */
async function assertDrawn(expected, makeOrder) {
  const meter = await world.meter({ decimal: 0 });
  const did = newDID();
  const names = new Map();
  for (const name of makeOrder) {
    const grant = await world.grant(meter, did, '1', { name, ...expected[name] });
    names.set(grant.id, name);
  }
  const wanted = Object.keys(expected);
  const drawn = [];
  for (const _ of wanted) { // one by one: the order does not lean on that of the rows
    const event = await world.report(meter, did, '1');
    const { list } = await world.payment.creditTransactions.list({ source: event.id });
    drawn.push(...list.map((row) => names.get(row.credit_grant_id)));
  }
  assert.deepEqual(drawn, wanted);
}

describe('the order', () => {
  test('lower priority numbers first, 50 where none is given', () =>
    assertDrawn(
      { zero: { priority: 0 }, ten: { priority: 10 }, none: {}, later: { priority: 51 }, last: { priority: 99999 } },
      ['last', 'none', 'later', 'zero', 'ten'],
    ));

  test('then what expires earlier, without expiry last', () => {
    const [soon, later, far] = [at(DAY), at(2 * DAY), at(400 * DAY)];
    return assertDrawn(
      { soon: { expires_at: soon }, later: { expires_at: later }, far: { expires_at: far }, zero: { expires_at: 0 }, never: {} },
      ['zero', 'far', 'later', 'never', 'soon'],
    );
  });

  test('then promotional before paid', () => {
    const expires_at = at(DAY);
    return assertDrawn(
      {
        soon: { expires_at: at(DAY / 2), category: 'paid' },
        gift: { expires_at, category: 'promotional' },
        bought: { expires_at, category: 'paid' },
        never: { category: 'promotional' },
      },
      ['never', 'bought', 'gift', 'soon'],
    );
  });

  test('then what became effective earlier, then the older', () => {
    const [day, hour] = [at(-DAY), at(-3600)];
    return assertDrawn(
      {
        day: { effective_at: day },
        hourFirst: { effective_at: hour },
        hourSecond: { effective_at: hour },
        now: {},
      },
      ['hourFirst', 'now', 'hourSecond', 'day'],
    );
  });

  test('each rule only breaks the ties of the one before', () =>
    assertDrawn(
      {
        number: { priority: 1, category: 'paid' },
        expiry: { priority: 2, category: 'paid', expires_at: at(DAY) },
        category: { priority: 2, category: 'promotional' },
        effective: { priority: 2, category: 'paid', effective_at: at(-DAY) },
        rest: { priority: 2, category: 'paid' },
      },
      ['rest', 'effective', 'category', 'expiry', 'number'],
    ));
});

test('one event draws on several grants: one row for each, in that order', async () => {
  const meter = await world.meter();
  const did = newDID();
  const second = await world.grant(meter, did, '20', { priority: 2 });
  const first = await world.grant(meter, did, '1.50', { priority: 1 });
  const third = await world.grant(meter, did, '100', { priority: 3 });
  const event = await world.report(meter, did, '30');
  assert.equal(event.credit_consumed, '3000');
  const rows = await world.rows(did, { source: event.id });
  assert.deepEqual(
    rows.map((row) => [row.credit_grant_id, row.amount, row.remaining_balance, row.running_balance]),
    [
      [first.id, '-150', '0', '12000'],
      [second.id, '-2000', '0', '10000'],
      [third.id, '-850', '9150', '9150'],
    ],
  );
  assert.equal((await world.payment.creditGrants.retrieve(first.id)).status, 'depleted');
  assert.equal((await world.payment.creditGrants.retrieve(third.id)).status, 'granted');
  const summary = await world.payment.creditGrants.summary({ customer_id: did });
  assert.equal(summary[meter.currency_id].grantCount, 1, 'only what can be spent now');
  assert.equal(summary[meter.currency_id].totalAmount, '10000');
});

test('priority is a whole number from 0 to 99999', async () => {
  const meter = await world.meter();
  for (const priority of [-1, 100000, 1.5, 'high']) {
    await refused(world.grant(meter, newDID(), '1', { priority }), { status: 400, param: 'priority' });
  }
  for (const priority of [0, 99999]) {
    assert.equal((await world.grant(meter, newDID(), '1', { priority })).priority, priority);
  }
});

describe('scope', () => {
  test("prices: only for events of a subscription that has one of them", async () => {
    const meter = await world.meter({ decimal: 0 });
    const did = newDID();
    const [pro, basic] = [unique('price_pro'), unique('price_basic')];
    const [proSub, basicSub] = [unique('sub_pro'), unique('sub_basic')];
    assert.equal((await world.setPrices(proSub, [unique('price_other'), pro])).status, 200);
    assert.equal((await world.setPrices(basicSub, [basic])).status, 200);
    const scoped = await world.grant(meter, did, '100', { priority: 1, applicability_config: { scope: { prices: [pro] } } });
    const open = await world.grant(meter, did, '100', { priority: 2 });
    assert.deepEqual(scoped.applicability_config, { scope: { prices: [pro] } });
    const drawnOn = async (payload) => {
      const event = await world.report(meter, did, '1', { payload });
      const [row] = await world.rows(did, { source: event.id });
      return row.credit_grant_id;
    };
    assert.equal(await drawnOn({ subscription_id: proSub }), scoped.id);
    assert.equal(await drawnOn({ subscription_id: basicSub }), open.id);
    assert.equal(await drawnOn({ subscription_id: unique('sub') }), open.id);
    assert.equal(await drawnOn({}), open.id);
    const { payment } = world;
    const bySub = await payment.creditGrants.summary({ customer_id: did, subscription_id: basicSub });
    assert.equal(bySub[meter.currency_id].remainingAmount, '97');
    const byPro = await payment.creditGrants.summary({ customer_id: did, subscription_id: proSub });
    assert.equal(byPro[meter.currency_id].remainingAmount, '196');
  });

  test('a price type alone excludes nothing', async () => {
    const meter = await world.meter({ decimal: 0 });
    const did = newDID();
    await world.grant(meter, did, '5', { applicability_config: { scope: { price_type: 'metered' } } });
    assert.equal((await world.report(meter, did, '5')).credit_consumed, '5');
  });

  test('other customers and other currencies are never drawn on', async () => {
    const meter = await world.meter();
    const other = await world.meter();
    const did = newDID();
    await world.grant(other, did, '100');
    await world.grant(meter, newDID(), '100');
    const event = await world.report(meter, did, '1');
    assert.equal(event.status, 'requires_capture');
    assert.equal(event.credit_consumed, '0');
    assert.equal(await world.remaining(other, did), '10000');
  });
});
