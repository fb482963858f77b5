'use strict';
// Credit currencies: they come with meters, and carry how they are bought.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { open, refused, newDID, unique } = require('./fixture');

const world = open();

test('the list is a bare array', async () => {
  const { payment } = world;
  const meter = await world.meter({ unit: 'tokens', decimal: 4 });
  const currencies = await payment.paymentCurrencies.list();
  assert.ok(Array.isArray(currencies));
  const own = currencies.find((currency) => currency.id === meter.currency_id);
  assert.equal(own.decimal, 4);
  assert.equal(own.symbol, 'tokens', 'the unit of the meter that it came with');
  assert.equal(own.type, 'credit');
  assert.equal(own.active, true);
  assert.equal(own.livemode, true);
  assert.deepEqual(await payment.paymentCurrencies.retrieve(meter.currency_id), own);
});

test('renamed, and shown so everywhere', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const did = newDID();
  const grant = await world.grant(meter, did, '1');
  const changed = await payment.paymentCurrencies.update(meter.currency_id, { name: 'Hub credits', symbol: 'HUB' });
  assert.equal(changed.id, meter.currency_id);
  assert.equal(changed.name, 'Hub credits');
  assert.equal(changed.symbol, 'HUB');
  assert.equal(changed.decimal, 2);
  assert.deepEqual(await payment.paymentCurrencies.retrieve(meter.currency_id), changed);
  const summary = await payment.creditGrants.summary({ customer_id: did });
  for (const { paymentCurrency } of [
    await payment.meters.retrieve(meter.id),
    await payment.creditGrants.retrieve(grant.id),
    summary[meter.currency_id],
  ]) {
    assert.equal(paymentCurrency.name, 'Hub credits');
    assert.equal(paymentCurrency.symbol, 'HUB');
    assert.equal(paymentCurrency.decimal, 2);
  }
  const symbolOnly = await payment.paymentCurrencies.update(meter.currency_id, { symbol: 'H' });
  assert.equal(symbolOnly.name, 'Hub credits');
});

test('the decimals cannot be changed', async () => {
  const { payment } = world;
  const meter = await world.meter();
  await world.grant(meter, newDID(), '1');
  await payment.paymentCurrencies.update(meter.currency_id, { decimal: 6 }).catch(() => {}); // refused or ignored
  assert.equal((await payment.paymentCurrencies.retrieve(meter.currency_id)).decimal, 2);
  await refused(world.meter({ currency_id: meter.currency_id, decimal: 6 }), { status: 400, param: 'decimal' });
  assert.equal((await world.meter({ currency_id: meter.currency_id, decimal: 2 })).currency_id, meter.currency_id);
});

test('the recharge configuration', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const id = meter.currency_id;
  const none = await payment.paymentCurrencies.getRechargeConfig(id);
  assert.equal(none.id, id);
  assert.equal(none.recharge_config ?? null, null);
  const config = {
    base_price_id: unique('price'),
    payment_link_id: 'plink_1',
    checkout_url: 'https://example.org/buy?a=b&c=d',
    settings: { min_recharge_amount: 5, max_recharge_amount: 500.25 },
  };
  for (const answer of [
    await payment.paymentCurrencies.updateRechargeConfig(id, config),
    await payment.paymentCurrencies.getRechargeConfig(id),
  ]) {
    assert.equal(answer.id, id, 'the currency');
    assert.equal(answer.decimal, 2);
    assert.deepEqual(answer.recharge_config, config);
    for (const field of Object.keys(config)) assert.deepEqual(answer[field], config[field], `${field} at the top level`);
  }
  assert.deepEqual((await payment.paymentCurrencies.retrieve(id)).recharge_config, config);
  await refused(payment.paymentCurrencies.updateRechargeConfig(id, {}), { status: 400, param: 'base_price_id' });
});

test('every credit currency can be charged again and again', async () => {
  const { currency_id } = await world.meter();
  const answer = await world.payment.paymentCurrencies.checkRecurringSupport({ currency_ids: [currency_id] });
  assert.deepEqual(answer, { supported: true, unsupported_currencies: [] });
});
