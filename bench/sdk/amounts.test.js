'use strict';
// Amounts are exact: whole tokens in, the smallest unit out, whatever the
// currency's decimals and however long the number.

const assert = require('node:assert/strict');
const { describe, test } = require('node:test');

const { open, refused, newDID, units, sum } = require('./fixture');

const world = open();
const WIDEST = 38; // digits that any amount may have

for (const decimal of [0, 2, 10, 18]) {
  describe(`${decimal} decimals`, () => {
    const least = decimal === 0 ? '1' : `0.${'1'.padStart(decimal, '0')}`;
    const some = decimal === 0 ? '1000' : `1000.${'123456789123456789'.slice(0, decimal)}`;
    const large = '123456789012345678901234567890'.slice(0, WIDEST - decimal);

    test('from the least to a large one, and back', async () => {
      const { payment } = world;
      const meter = await world.meter({ decimal });
      assert.equal(meter.paymentCurrency.decimal, decimal);
      for (const amount of [least, some, large, `${large.slice(0, -1)}${decimal ? `.${'9'.repeat(decimal)}` : ''}`]) {
        const did = newDID();
        const all = units(amount, decimal);
        const grant = await world.grant(meter, did, amount);
        assert.equal(grant.amount, String(all), amount);
        const event = await world.report(meter, did, least);
        assert.equal(event.credit_consumed, '1', amount);
        assert.equal(event.payload.value, least);
        const { [meter.currency_id]: own } = await payment.creditGrants.summary({ customer_id: did });
        assert.equal(own?.remainingAmount ?? '0', String(all - 1n), amount);
        if (own) {
          assert.equal(units(own.total, decimal), all, `total in whole tokens: ${own.total}`);
          assert.equal(units(own.remaining, decimal), all - 1n, `remaining in whole tokens: ${own.remaining}`);
        }
        const rows = await world.rows(did);
        assert.deepEqual(rows.map((row) => row.amount), [String(all), '-1']);
        assert.equal(rows[1].running_balance, String(all - 1n));
      }
    });

    test('never rounded: one decimal more is refused', async () => {
      const meter = await world.meter({ decimal });
      const more = `0.${'1'.padStart(decimal + 1, '0')}`;
      await refused(world.report(meter, newDID(), more), { status: 400, param: 'payload.value' });
      await refused(world.grant(meter, newDID(), more), { status: 400, param: 'amount' });
    });

    test('many small ones add up', async () => {
      const meter = await world.meter({ decimal });
      const did = newDID();
      const tenth = decimal === 0 ? '3' : '0.1';
      const granted = units('100', decimal);
      await world.grant(meter, did, '100');
      const events = await Promise.all(Array.from({ length: 30 }, () => world.report(meter, did, tenth)));
      const consumed = sum(events.map((event) => event.credit_consumed));
      assert.equal(consumed, units(tenth, decimal) * 30n);
      assert.equal(await world.remaining(meter, did), String(granted - consumed));
    });
  });
}

test('a bare number is taken by its literal text', async () => {
  const meter = await world.meter({ decimal: 18 });
  const did = newDID();
  await world.grant(meter, did, '1000');
  for (const value of [0.1, 0.3, 1.15, 2.675, 123.456]) {
    const event = await world.report(meter, did, value);
    assert.equal(event.credit_consumed, String(units(String(value), 18)), String(value));
  }
  // Longer than any float can hold, as a caller without the client may write it.
  const body = `{"event_name":"${meter.event_name}","identifier":"${newDID()}","payload":{"customer_id":"${did}","value":1.000000000000000001}}`;
  const { status, body: event } = await world.raw('POST', '/api/meter-events?livemode=true', body);
  assert.equal(status, 200, JSON.stringify(event));
  assert.equal(event.credit_consumed, '1000000000000000001');
});

test('a shortage of a large amount is exact to the last digit', async () => {
  const meter = await world.meter({ decimal: 10 });
  const did = newDID();
  await world.grant(meter, did, '12345678901234567890.0000000001');
  const event = await world.report(meter, did, '99999999999999999999.9999999999');
  assert.equal(event.credit_consumed, '123456789012345678900000000001');
  assert.equal(event.credit_pending, '876543210987654321099999999998');
  assert.equal(await world.pending(meter, did), '876543210987654321099999999998');
  await world.grant(meter, did, '87654321098765432109.9999999999');
  assert.equal(await world.pending(meter, did), '0');
  assert.equal(await world.remaining(meter, did), '1');
});
