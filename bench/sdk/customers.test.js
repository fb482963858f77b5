'use strict';
// Customers: found by the string that the caller uses, made on first sight.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { open, refused, newDID, unique } = require('./fixture');

const world = open();

test('retrieved with {create: true}, which the client sends as the body of a GET', async () => {
  const { payment } = world;
  const did = newDID();
  await refused(payment.customers.retrieve(did), { status: 404 });
  const made = await payment.customers.retrieve(did, { create: true });
  assert.equal(made.id, did);
  assert.equal(made.did, did);
  assert.equal(made.livemode, true);
  assert.deepEqual(await payment.customers.retrieve(did, { create: true }), made, 'once made, it stays as it is');
  assert.deepEqual(await payment.customers.retrieve(did), made);
  const { count, list } = await payment.customers.list({ did });
  assert.equal(count, 1);
  assert.deepEqual(list, [made]);
});

test('retrieved with ?create=true, by callers without the client', async () => {
  const did = newDID();
  const { status, body } = await world.raw('GET', `/api/customers/${did}?create=true&livemode=true`);
  assert.equal(status, 200);
  assert.equal(body.did, did);
  assert.equal((await world.payment.customers.retrieve(did)).id, body.id);
});

test('made by a grant, and by an event', async () => {
  const { payment } = world;
  const meter = await world.meter();
  const [granted, reported] = [newDID(), unique('cus')];
  await world.grant(meter, granted, '1');
  await world.report(meter, reported, '1');
  for (const id of [granted, reported]) {
    const customer = await payment.customers.retrieve(id);
    assert.equal(customer.id, id);
    assert.equal(customer.did, id);
    assert.equal((await payment.customers.list({ did: id })).count, 1);
  }
});

test('updated, field by field', async () => {
  const { payment } = world;
  const did = newDID();
  await payment.customers.retrieve(did, { create: true });
  const email = `${unique('ann')}@example.org`;
  const changed = await payment.customers.update(did, { name: 'Ann Ångström', email, phone: '+46 1', metadata: { plan: 'pro' } });
  assert.equal(changed.name, 'Ann Ångström');
  assert.equal(changed.email, email);
  assert.equal(changed.phone, '+46 1');
  assert.deepEqual(changed.metadata, { plan: 'pro' });
  const again = await payment.customers.update(did, { description: 'a friend' });
  assert.equal(again.name, 'Ann Ångström');
  assert.equal(again.description, 'a friend');
  assert.equal(again.did, did);
  assert.deepEqual(await payment.customers.retrieve(did), again);
  await refused(payment.customers.update(newDID(), { name: 'nobody' }), { status: 404 });
});

test('searched by name, e-mail address and DID', async () => {
  const { payment } = world;
  const did = newDID();
  await payment.customers.retrieve(did, { create: true });
  const word = unique('needle').replaceAll('-', '');
  await payment.customers.update(did, { name: `Mr ${word}`, email: `${word}x@example.org` });
  for (const query of [word, `${word}x@example.org`, did]) {
    const { count, list } = await payment.customers.search({ query });
    assert.equal(count, 1, query);
    assert.equal(list[0].id, did);
  }
  assert.equal((await payment.customers.search({ query: unique('nobody') })).count, 0);
});

test("is shown with grants, events and transactions", async () => {
  const { payment } = world;
  const did = newDID();
  const meter = await world.meter();
  await world.grant(meter, did, '2');
  const event = await world.report(meter, did, '1');
  await payment.customers.update(did, { name: 'Bob', email: 'bob@example.org' });
  const shown = [
    await payment.meterEvents.retrieve(event.id),
    (await payment.creditGrants.list({ customer_id: did })).list[0],
    (await payment.creditTransactions.list({ customer_id: did })).list[0],
  ];
  for (const { customer_id, payload, customer } of shown) {
    assert.equal(customer_id ?? payload.customer_id, did);
    assert.equal(customer.did, did);
    assert.equal(customer.name, 'Bob');
  }
});

test('names that need care in a path', async () => {
  const { payment } = world;
  const meter = await world.meter();
  for (const id of [unique('did:abt:z1'), unique('user@example.org'), unique('名前'), unique('a b')]) {
    await world.grant(meter, id, '1');
    assert.equal((await payment.customers.retrieve(id)).id, id);
    assert.equal(await world.remaining(meter, id), '100');
    assert.equal((await payment.creditGrants.list({ customer_id: id })).count, 1);
  }
});
