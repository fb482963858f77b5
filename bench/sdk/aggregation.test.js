'use strict';
// sum, count and last: what an event costs. In all three, what a customer has
// consumed on a meter is the meter's aggregate for that customer.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { open, newDID, unique, at } = require('./fixture');

const world = open();

test('sum costs the value', async () => {
  const meter = await world.meter({ aggregation_method: undefined });
  assert.equal(meter.aggregation_method, 'sum');
  const did = newDID();
  await world.grant(meter, did, '100');
  for (const value of ['1', '2.5', '0']) await world.report(meter, did, value);
  assert.equal(await world.remaining(meter, did), '9650');
});

test('count costs one for each event, whatever its value', async () => {
  const meter = await world.meter({ aggregation_method: 'count' });
  const did = newDID();
  await world.grant(meter, did, '100');
  const identifier = unique('counted');
  for (const value of ['1', '250', '0.5']) {
    assert.equal((await world.report(meter, did, value)).credit_consumed, '100');
  }
  await world.report(meter, did, '7', { identifier });
  await world.report(meter, did, '7', { identifier });
  assert.equal(await world.remaining(meter, did), '9600');
});

test('last costs the change of the level; a fall gives back, last taken first', async () => {
  const { payment } = world;
  const meter = await world.meter({ aggregation_method: 'last', decimal: 0 });
  const did = newDID();
  const first = await world.grant(meter, did, '10', { priority: 1 });
  const second = await world.grant(meter, did, '100', { priority: 2 });
  const level = (value, timestamp) => world.report(meter, did, value, { timestamp });
  const left = async () => [
    (await payment.creditGrants.retrieve(first.id)).remaining_amount,
    (await payment.creditGrants.retrieve(second.id)).remaining_amount,
  ];
  const start = at(-1000);
  await level('4', start);
  assert.deepEqual(await left(), ['6', '100']);
  await level('15', start + 10);
  assert.deepEqual(await left(), ['0', '95']);
  await level('7', start + 20);
  assert.deepEqual(await left(), ['3', '100']);
  await level('7', start + 30);
  assert.deepEqual(await left(), ['3', '100']);
  await level('1000', start + 15); // older than the latest level: changes nothing
  assert.deepEqual(await left(), ['3', '100']);
  const rows = await world.rows(did);
  const moves = rows.filter((row) => row.type !== 'grant').map((row) => [row.type, row.credit_grant_id, row.amount]);
  assert.deepEqual(moves, [
    ['consumption', first.id, '-4'],
    ['consumption', first.id, '-6'],
    ['consumption', second.id, '-5'],
    ['adjustment', second.id, '5'],
    ['adjustment', first.id, '3'],
  ]);
});

test('a fall first forgives what is owed', async () => {
  const meter = await world.meter({ aggregation_method: 'last', decimal: 0 });
  const did = newDID();
  await world.grant(meter, did, '10');
  const start = at(-1000);
  const high = await world.report(meter, did, '15', { timestamp: start });
  assert.equal(high.credit_pending, '5');
  await world.report(meter, did, '8', { timestamp: start + 1 });
  assert.equal(await world.pending(meter, did), '0');
  assert.equal(await world.remaining(meter, did), '2');
});
